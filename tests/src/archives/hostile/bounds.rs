//! More than a host wants to take: bytes, entries, windows, depth.

use protocol::Code;

use super::super::{Format, Header, Tar, gzip, kind, zstd, zstd_frame, zstd_skippable};
use super::{Family, Hostile};
use crate::{Packing, Release};

/// What the cases' `unpacked_bytes` is.
const UNPACKED: usize = 16 << 20;
/// What their `entries` is.
const ENTRIES: usize = 500;

pub(super) fn add(family: &mut Family) {
    add_bombs(family);
    add_crowds(family);
    let noise: Vec<u8> =
        (0..1_250_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let noise = Tar::new().file("noise", &noise).end();
    for (packing, bytes) in
        [(Packing::Gzip, gzip(noise.bytes())), (Packing::Zstd, zstd(noise.bytes()))]
    {
        family.cases.push(Hostile {
            what: format!("an archive of {} bytes, {packing:?}", bytes.len()),
            release: Release::of_bytes(bytes, packing),
            code: Code::ArchiveTooLarge,
            rule: None,
            entry: None,
        });
    }
    for window_log in [24, 27, 31] {
        let mut frame = zstd_frame(Tar::new().file("file", b"x").end().bytes(), 23);
        // The window descriptor: an exponent, less ten, above a mantissa of three bits.
        frame[5] = (window_log - 10) << 3;
        let what = format!("a window of 2^{window_log} bytes");
        family.stream(&what, Packing::Zstd, frame, "window_too_large", None);
    }
}

fn add_bombs(family: &mut Family) {
    let zeros = vec![0; UNPACKED / 4];
    let bomb = || Tar::new().entry(&Header::new(kind::FILE, "zeros").size(4 << 20), &zeros);
    let more =
        |tar: Tar, name: &str| tar.entry(&Header::new(kind::FILE, name).size(4 << 20), &zeros);
    let total = more(more(more(bomb(), "b"), "c"), "d");
    family.tar("files that add up", &total, "unpacked_bytes", "d");
    let declared = Tar::new().entry(&Header::new(kind::FILE, "huge").size(1 << 50), b"x");
    family.tar("a file of a petabyte", &declared, "unpacked_bytes", "huge");
    let copies = (0..4).fold(bomb(), |tar, n| tar.hardlink(format!("copy-{n}"), "zeros"));
    family.tar("hardlinks that add up", &copies, "unpacked_bytes", "copy-2");
    let chain = (0..4).fold(bomb().hardlink("copy-0", "zeros"), |tar, n| {
        tar.hardlink(format!("copy-{}", n + 1), format!("copy-{n}"))
    });
    family.tar("a chain of hardlinks", &chain, "unpacked_bytes", "copy-2");

    // Four gigabytes in four megabytes and less: never inflated, since they are not waited for.
    let head = Tar::new().file("file", b"x").end();
    let tail = zstd(&vec![0; 64 << 20]);
    let frames = [zstd(head.bytes()), tail.repeat(64)].concat();
    let what = "gigabytes of zeros after the end";
    family.stream(what, Packing::Zstd, frames, "unpacked_bytes", None);
    let padded = head.raw(&vec![0; 4 * UNPACKED]);
    family.stream(what, Packing::Gzip, gzip(padded.bytes()), "unpacked_bytes", None);
    let skipped = zstd_skippable(&[0; 4096]).repeat(800);
    family.stream("skippable frames alone", Packing::Zstd, skipped, "no_end_marker", None);
}

fn add_crowds(family: &mut Family) {
    let files = (0..=ENTRIES).fold(Tar::new(), |tar, n| tar.file(format!("f{n}"), b""));
    family.tar("a file too many", &files, "entries", "f500");
    let again = (0..=ENTRIES).fold(Tar::new(), |tar, _| tar.directory("dir/"));
    family.tar("one directory over and over", &again, "entries", "dir/");
    // Thirty directories an entry, none of which has an entry of its own.
    let deep = |n: usize| format!("{n}{}/file", "/d".repeat(29));
    let implied = (0..40).fold(Tar::new(), |tar, n| tar.file(deep(n), b""));
    family.tar("directories that are implied", &implied, "entries", &deep(16));
    let down = |tar: Tar, n| {
        let name = "d/".repeat(n);
        tar.written(Format::Gnu, kind::DIRECTORY, name.as_bytes(), b"")
    };
    let down = (1..=70).fold(Tar::new(), down);
    family.tar("deeper and deeper", &down, "path_too_deep", &"d/".repeat(65));
    let long = |n: usize| "d/".repeat(n);
    let tar = Tar::new().long_name(long(3000).as_bytes()).directory("x");
    family.tar("three thousand levels", &tar, "path_too_long", &long(512));
}
