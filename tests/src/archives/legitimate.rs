//! Archives that are odd, and fine: every host takes them.

use super::zstd_skippable;
use super::{Format, GzipHead, Header, Tar, gzip, gzip_with, kind, pax_record, zstd, zstd_frame};
use crate::{Packing, Release};

/// Tars by what is odd about them.
pub fn tars() -> Vec<(&'static str, Tar)> {
    let mut all = names();
    all.extend(headers());
    all.extend(habits());
    all.extend(trees());
    let all = all.into_iter().map(|(what, tar)| (what, tar.end()));
    let half = Tar::new().file("a", b"x").raw(&[0; 512]);
    all.chain([("one block of zeros at the end", half)]).collect()
}

/// One tar in streams that are odd, with that tar.
pub fn streams() -> (Tar, Vec<(&'static str, Release)>) {
    let tar = Tar::new().program("bin/run", b"#!/bin/sh\n").file("big", &noise(3_000_000)).end();
    let whole = tar.bytes();
    let (first, second) = whole.split_at(700);
    let frames = [
        zstd_skippable(b"by a parallel packer"),
        zstd(first),
        zstd(b""),
        zstd_skippable(b""),
        zstd(second),
        zstd_skippable(&[0; 100]),
    ];
    let head = GzipHead {
        extra: Some(vec![b'e'; 1000]),
        name: Some(b"a.tar".to_vec()),
        comment: Some(b"by hand".to_vec()),
        checksum: Some(true),
        flags: 1,
    };
    let gz = |bytes| Release::of_bytes(bytes, Packing::Gzip);
    let zst = |bytes| Release::of_bytes(bytes, Packing::Zstd);
    let streams = vec![
        ("all that a gzip head can have", gz(gzip_with(&head, whole))),
        ("several zstd frames", zst(frames.concat())),
        ("a zstd window of 8 MiB", zst(zstd_frame(whole, 23))),
        ("a zstd window of 1 KiB", zst(zstd_frame(whole, 10))),
        ("gzip under another name", zst(gzip(whole))),
        ("zeros after a gzip member", gz([gzip(whole), vec![0; 10_240]].concat())),
    ];
    (tar, streams)
}

/// Bytes that do not compress.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn names() -> Vec<(&'static str, Tar)> {
    let in_all = |name: &str| {
        let each = |tar: Tar, (number, format): (usize, Format)| {
            let name = format!("{number}{name}");
            tar.written(format, kind::DIRECTORY, name.as_bytes(), b"")
        };
        Format::ALL.into_iter().enumerate().fold(Tar::new(), each)
    };
    let two_parts = format!("{}/{}", "p".repeat(154), "n".repeat(100));
    let longest = format!("{}{}", "directory/".repeat(30), "n".repeat(255));
    let path = format!("{}/{}", vec!["d".repeat(200); 4].join("/"), "n".repeat(220));
    let deepest = ("d/".repeat(63) + "f").into_bytes();
    let odd =
        ["-rf", " ", "a b ", "'\"", "$(id)", "*", "host:b", "a.", "...", "#", "~", "%2e%2e", "CON"];
    vec![
        ("a leading dot", Tar::new().directory("./").directory("./a/").file("./a/b", b"x")),
        ("the root as a dot", Tar::new().directory(".").file("./a", b"x")),
        (
            "a name in two parts",
            Tar::new().written(Format::Ustar, kind::FILE, two_parts.as_bytes(), b""),
        ),
        ("the longest part, GNU", Tar::new().long_name(longest.as_bytes()).file("short", b"x")),
        ("the longest part, PAX", Tar::new().pax(&[("path", &longest)]).file("short", b"x")),
        ("the longest path, GNU", Tar::new().long_name(path.as_bytes()).file("short", b"x")),
        ("the longest path, PAX", Tar::new().pax(&[("path", &path)]).file("short", b"x")),
        ("the deepest path", Tar::new().long_name(&deepest).file("short", b"x")),
        (
            "names that are not in their shortest form",
            Tar::new()
                .file("a//b", b"x")
                .file("././c", b"x")
                .directory("././d///e//")
                .entry(&Header::new(kind::FILE, "g").prefix("f/").size(1), b"x")
                .entry(&Header::new(kind::FILE, "/h").prefix("f").size(1), b"x"),
        ),
        ("UTF-8", in_all("-sp\u{e4}\u{df}e-\u{65e5}\u{672c}-\u{1f980}")),
        // Not by PAX: bsdtar composes such a name, and GNU tar leaves it as it is, as we do.
        (
            "decomposed UTF-8",
            Tar::new().file("cafe\u{301}", b"x").long_name("e\u{301}".as_bytes()).file("x", b"x"),
        ),
        (
            "names that differ by case",
            Tar::new().file("a", b"1").file("A", b"2").directory("\u{c4}").directory("\u{e4}"),
        ),
        ("names for shells", odd.iter().fold(Tar::new(), |tar, name| tar.file(name, b"x"))),
        ("a name of exactly a hundred bytes", Tar::new().file("n".repeat(100), b"x")),
        (
            "bytes behind a name's NUL",
            Tar::new().entry(&Header::new(kind::FILE, "a\0../../b"), b""),
        ),
    ]
}

fn headers() -> Vec<(&'static str, Tar)> {
    let file = |name: &str| Header::new(kind::FILE, name).size(1);
    let entry = |header: &Header| Tar::new().entry(header, b"x");
    let modes = [0, 0o111, 0o600, 0o666, 0o777, 0o1755, 0o2755, 0o4755, 0o6711, 0o100_644];
    let each = |tar: Tar, mode: &u32| tar.entry(&file(&format!("{mode:o}")).mode(*mode), b"x");
    let of_modes = modes.iter().fold(Tar::new(), each);
    let dropped = [
        ("SCHILY.xattr.user.key", "value"),
        ("SCHILY.xattr.security.capability", "\u{1}"),
        ("SCHILY.acl.access", "user::rw-,group::r--,other::r--"),
        ("LIBARCHIVE.creationtime", "1700000000"),
        ("LIBARCHIVE.xattr.user.key", "dmFsdWU"),
        ("mtime", "1700000000.123456789"),
        ("atime", "-1.5"),
        ("uid", "4294967294"),
        ("gname", "wheel"),
        ("comment", "a\nb=c"),
        ("NODETAR.type", "File"),
        ("SUN.devmajor", "8"),
        ("GOLANG.pkg", "tar"),
    ];
    let go = [
        pax_record("mtime", "1700000000.5"),
        pax_record("path", "\u{e4}/go"),
        pax_record("uname", "g\u{f6}"),
    ];
    let go_header =
        Header::new(kind::PAX, "PaxHeaders.0/a/go").mode(0).size(go.concat().len() as u64);
    vec![
        (
            "before POSIX",
            entry(&file("a").v7())
                .entry(&Header::new(kind::OLD_FILE, "d/").v7(), b"")
                .entry(&Header::new(kind::SYMLINK, "l").v7().link("a"), b""),
        ),
        (
            "the old type of files",
            Tar::new().entry(&Header::new(kind::OLD_FILE, "a").size(1), b"x"),
        ),
        (
            "GNU's magic",
            entry(&file("a").gnu()).entry(&Header::new(kind::DIRECTORY, "d/").gnu(), b""),
        ),
        (
            "GNU's times of access and change",
            entry(&file("a").gnu().at(345, b"14524770401 14524770401 ")),
        ),
        ("every mode", of_modes.entry(&Header::new(kind::DIRECTORY, "d").mode(0), b"")),
        (
            "blanks before numbers",
            entry(&file("a").raw_size(b"          1 ").at(100, b"   644 \0")),
        ),
        (
            "numbers that fill their fields",
            entry(&file("a").raw_size(b"000000000001").at(100, b"00000755")),
        ),
        ("a size in base 256", entry(&file("a").raw_size(b"\x80\0\0\0\0\0\0\0\0\0\0\x01"))),
        ("a time before 1970", entry(&file("a").at(136, &[0xff; 12]))),
        ("a large owner", entry(&file("a").gnu().at(108, b"\x80\0\0\0\x7f\xff\xff\xff"))),
        ("no owner at all", entry(&file("a").at(108, &[0; 16]))),
        ("a checksum with blanks", entry(&file("a").checksum(&checksum_with_blanks(&file("a"))))),
        (
            "a comment for all",
            Tar::new().pax_global(&[("comment", "4b825dc642cb")]).file("a", b"x"),
        ),
        ("records that are dropped", Tar::new().pax(&dropped).file("a", b"x")),
        ("a PAX size that agrees", Tar::new().pax(&[("size", "1")]).file("a", b"x")),
        ("no records", Tar::new().pax(&[]).file("a", b"x")),
        (
            "the usual character set",
            Tar::new()
                .pax(&[("hdrcharset", "ISO-IR 10646 2000 UTF-8"), ("path", "\u{e4}")])
                .file("a", b"x"),
        ),
        (
            "as Go writes it",
            Tar::new().entry(&go_header, &go.concat()).entry(&file("a/go").gnu(), b"x"),
        ),
        (
            "a long target",
            Tar::new()
                .long_link(("d/".repeat(31) + &"n".repeat(200)).as_bytes())
                .symlink("l", "short"),
        ),
        (
            "a long name after a long target",
            Tar::new().long_link(b"a").long_name(b"l").symlink("x", "y"),
        ),
    ]
}

/// What packers write by habit, and every reader takes.
fn habits() -> Vec<(&'static str, Tar)> {
    let by_pax = Header::new(kind::FILE, "a").size(0);
    let globals = [("SCHILY.archtype", "exustar"), ("GOLANG.pkg", "tar")];
    vec![
        ("a PAX size alone", Tar::new().pax(&[("size", "1")]).entry(&by_pax, b"x").file("b", b"y")),
        ("a packer's own words for all", Tar::new().pax_global(&globals).file("a", b"x")),
        (
            "other versions of POSIX's magic",
            [b"ustar\0\0\0", b"ustar\x000 ", b"ustar\x0001"].iter().enumerate().fold(
                Tar::new(),
                |tar, (number, magic)| {
                    let header = Header::new(kind::FILE, number.to_string()).prefix("in").size(1);
                    tar.entry(&header.magic(magic), b"x")
                },
            ),
        ),
        (
            "a volume label",
            Tar::new().entry(&Header::new(b'V', "label").gnu(), b"").file("a", b"x"),
        ),
        (
            "a volume label by PAX",
            Tar::new().pax_global(&[("GNU.volume.label", "label")]).file("a", b"x"),
        ),
    ]
}

fn trees() -> Vec<(&'static str, Tar)> {
    let base = || Tar::new().program("bin/run", b"#!/bin/sh\n").file("lib/a", b"a");
    vec![
        (
            "links inside",
            base()
                .symlink("run", "bin/run")
                .symlink("lib/up", "../bin")
                .symlink("lib/here", ".")
                .symlink("chain", "lib/up/run"),
        ),
        (
            "links to nothing and to themselves",
            base()
                .symlink("nowhere", "not/there")
                .symlink("loop", "loop")
                .symlink("one", "two")
                .symlink("two", "one"),
        ),
        (
            "odd targets",
            base()
                .symlink("l1", "./lib")
                .symlink("l2", "lib/")
                .symlink("l3", "lib//a")
                .symlink("lib/l4", ".././lib/a"),
        ),
        (
            "hardlinks",
            base()
                .hardlink("copy", "bin/run")
                .hardlink("lib/again", "./copy")
                .hardlink("lib/b", "lib/a"),
        ),
        (
            "hardlinks to links",
            base()
                .symlink("run", "bin/run")
                .hardlink("again", "run")
                .symlink("lib/up", "../bin/run")
                .hardlink("bin/up", "lib/up"),
        ),
        (
            "a hardlink by PAX",
            base().pax(&[("linkpath", "lib/a"), ("path", "b")]).hardlink("x", "y"),
        ),
        ("empty directories", Tar::new().directory("a/").directory("b/c").directory("d/e/f/")),
        (
            "a directory again and again",
            base().directory("lib/").directory("./lib").directory("lib/").file("lib/c", b"c"),
        ),
        ("a directory after what is in it", base().directory("bin/").directory("lib")),
        (
            "files of every length around a block",
            (0..=1025)
                .step_by(41)
                .chain([511, 512, 513, 1024])
                .fold(Tar::new(), |tar, n| tar.file(n.to_string(), &noise(n))),
        ),
        ("a long end", base().raw(&[0; 9 * 1024])),
        ("an archive in an archive", Tar::new().file("inner.tar", base().end().bytes())),
    ]
}

fn checksum_with_blanks(header: &Header) -> [u8; 8] {
    let text = format!("{:>6o}\0 ", header.sum(false));
    text.as_bytes().first_chunk().copied().unwrap_or_default()
}
