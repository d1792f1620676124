//! What an archive may and may not be, each with an archive made for it.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use protocol::{Digest, PathRule};
use sha2::Digest as _;
use tar::{EntryType, Header};

use crate::sample::{Sample, gzip, pax_record, zstd};
use crate::unpack_place::{BOUNDS, Place};
use crate::{Received, Rule, UnpackError, UnpackLimits, unpack};

fn rejected(result: Result<Received, UnpackError>) -> (Rule, Option<String>) {
    match result {
        Err(UnpackError::Rejected { rule, entry, .. }) => (rule, entry),
        other => panic!("not rejected: {other:?}"),
    }
}

fn mode(mode: u32) -> impl FnOnce(&mut Header) {
    move |header| header.set_mode(mode)
}

fn good() -> Sample {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let file = EntryType::Regular;
    Sample::default()
        .pax_global(&[("comment", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")])
        .directory("./")
        .directory("./bin/")
        .entry(file, b"./bin/agent", b"", b"#!/bin/sh\n", mode(0o6711))
        .directory("bin/")
        .entry(file, b"loose", b"", b"x", mode(0o666))
        .file("implied/deep/file", &[b'y'; 5000])
        .symlink("lib/link", "../bin/agent")
        .hardlink("bin/copy", "./bin/agent")
        .gnu_long_name(&long)
        .file("truncated", b"gnu")
        .pax(&[("path", "pax/später"), ("mtime", "1.5"), ("size", "3")])
        .file("short", b"pax")
        .file("empty", b"")
        .end()
}

#[test]
fn a_good_archive_is_unpacked_whatever_it_is_packed_with() {
    for archive in [good().gzip(), good().zstd()] {
        let place = Place::new();
        let received = place.unpack(&archive).unwrap();
        let digest = Digest::from_bytes(sha2::Sha256::digest(&archive).into());
        assert_eq!(received.digest, digest);
        assert_eq!(received.archive_bytes, archive.len() as u64);
        let commit = received.origin.commit.as_deref();
        assert_eq!(commit, Some("4b825dc642cb6eb9a060e54bf8d69288fbee4904"));
        assert_eq!(received.unpacked_bytes, good().0.len() as u64 + 10);
        assert_eq!(place.read("bin/agent"), "#!/bin/sh\n");
        assert_eq!(place.read("bin/copy"), "#!/bin/sh\n");
        assert_eq!(place.read("lib/link"), "#!/bin/sh\n");
        assert_eq!(place.read("implied/deep/file"), "y".repeat(5000));
        assert_eq!(place.read(&format!("{}/{}", "d".repeat(120), "f".repeat(200))), "gnu");
        assert_eq!(place.read("pax/später"), "pax");
        assert_eq!(place.read("empty"), "");
        assert!(!place.staging().join("truncated").exists());
        let modes = ["bin", "bin/agent", "bin/copy", "loose", "implied/deep"];
        assert_eq!(modes.map(|name| place.mode(name)), [0o755, 0o755, 0o755, 0o644, 0o755]);
    }
}

#[test]
fn a_copy_of_a_hardlink_is_a_file_of_its_own() {
    let place = Place::new();
    place.unpack(&good().gzip()).unwrap();
    fs::write(place.staging().join("bin/copy"), "changed").unwrap();
    assert_eq!(place.read("bin/agent"), "#!/bin/sh\n");
}

#[test]
fn before_posix_a_directory_is_what_ends_in_a_slash() {
    let v7 = |header: &mut Header| header.as_mut_bytes()[257..265].fill(0);
    let old = |name: &str, content: &[u8]| {
        Sample::default().entry(EntryType::Regular, name.as_bytes(), b"", content, v7).end()
    };
    let place = Place::new();
    place.unpack(&old("dir/", b"").gzip()).unwrap();
    assert!(place.staging().join("dir").is_dir());
    assert_eq!(rejected(Place::new().unpack(&old("dir/", b"x").gzip())).0, Rule::UnexpectedData);
}

#[test]
fn several_zstd_frames_are_one_stream() {
    let bytes = good().0;
    let (first, second) = bytes.split_at(700);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let archive = [skippable.clone(), zstd(first), skippable, zstd(second)].concat();
    Place::new().unpack(&archive).unwrap();
}

#[test]
fn what_is_odd_and_means_one_thing_is_taken_with_a_note() {
    let file = || Sample::default().file("a", b"x").symlink("dir/up", "../a");
    let label = |sample: Sample| sample.gnu(EntryType::new(b'V'), b"label", b"");
    let notes = |archive: &[u8]| Place::new().unpack(archive).unwrap().notes.iter().count();
    assert_eq!(notes(&file().end().gzip()), 0);
    assert_eq!(notes(&[&file().end().gzip()[..], &[0; 9000]].concat()), 0);
    assert_eq!(notes(&file().raw(&[0; 512]).gzip()), 1);
    assert_eq!(notes(&label(Sample::default()).file("a", b"x").end().gzip()), 1);
    // As GNU tar itself writes it: with neither a magic, a mode nor a size.
    let bare = |header: &mut Header| {
        let bytes = header.as_mut_bytes();
        bytes[100..136].fill(0);
        bytes[257..].fill(0);
    };
    let label = Sample::default().entry(EntryType::new(b'V'), b"label", b"", b"", bare);
    assert_eq!(notes(&label.file("a", b"x").end().gzip()), 1);
    let place = Place::new();
    let sized = [("size", "3"), ("NODETAR.depth", "1")];
    let unsized_file = |header: &mut Header| {
        header.set_size(0);
        header.as_mut_bytes()[263..265].copy_from_slice(b"0 ");
    };
    let odd = file()
        .hardlink("dir/again", "dir/up")
        .pax(&sized)
        .entry(EntryType::Regular, b"././b//c", b"", b"pax", unsized_file)
        .end();
    place.unpack(&odd.gzip()).unwrap();
    assert_eq!(place.read("b/c"), "pax");
    let again = fs::read_link(place.staging().join("dir/again")).unwrap();
    assert_eq!(again, Path::new("../a"));
}

/// What one member breaks, and the name that the refusal gives.
#[test]
fn every_rule_of_members_is_held_to() {
    let base = || Sample::default().file("a", b"x").symlink("link", ".").directory("dir");
    let kind = |kind: EntryType| base().entry(kind, b"dev", b"", b"", |_| {});
    let long = "a".repeat(1025);
    let deep = "d/".repeat(40) + "f";
    let chain = base().symlink("up", "dir").symlink("dir/out", "../up/../../secret");
    let cases = [
        (base().file("../secret", b"x"), PathRule::Parent.into(), "../secret"),
        (base().file("/tmp/x", b"x"), PathRule::Absolute.into(), "/tmp/x"),
        (base().file("dir//../x", b"x"), PathRule::Parent.into(), "dir//../x"),
        (base().file(&deep, b"x"), PathRule::TooDeep.into(), &deep),
        (base().symlink("deep", &deep), PathRule::TooDeep.into(), "deep"),
        (base().file("dir/./x", b"x"), PathRule::Dot.into(), "dir/./x"),
        (base().file("", b"x"), PathRule::Empty.into(), ""),
        (base().file("x\\y", b"x"), PathRule::Backslash.into(), "x\\y"),
        (base().file("x\ny", b"x"), PathRule::Control.into(), "x\\ny"),
        (base().file("x\u{202e}y", b"x"), PathRule::Bidirectional.into(), "x\\u{202e}y"),
        (base().file("x/", b"x"), PathRule::TrailingSlash.into(), "x/"),
        (base().pax(&[("path", "x\0y")]).file("b", b""), PathRule::Nul.into(), "x\\0y"),
        (base().pax(&[("path", &long)]).file("b", b""), PathRule::TooLong.into(), &long[..1024]),
        (base().gnu_long_name("../x").file("b", b""), PathRule::Parent.into(), "../x"),
        (base().symlink("l", "/etc"), PathRule::LinkAbsolute.into(), "l"),
        (base().symlink("l", "../secret"), PathRule::LinkOutside.into(), "l"),
        (chain, PathRule::LinkDetour.into(), "dir/out"),
        (base().pax(&[("linkpath", "../x")]).symlink("l", "a"), PathRule::LinkOutside.into(), "l"),
        (base().file("link/x", b"x"), Rule::ThroughLink, "link/x"),
        (base().directory("link"), Rule::ThroughLink, "link"),
        (base().symlink("dir", "a"), Rule::KindChanged, "dir"),
        (base().file("link", b"x"), Rule::KindChanged, "link"),
        (base().file("a/x", b"x"), Rule::BelowFile, "a/x"),
        (base().file("a", b"x"), Rule::Duplicate, "a"),
        (base().symlink("link", "a"), Rule::Duplicate, "link"),
        (base().file("é", b"x").file("e\u{301}", b"x"), Rule::Normalisation, "e\\u{301}"),
        (base().file("é/x", b"x").file("e\u{301}/y", b"x"), Rule::Normalisation, "e\\u{301}/y"),
        (base().hardlink("h", "/etc/passwd"), PathRule::Absolute.into(), "h"),
        (base().hardlink("h", "../secret"), PathRule::Parent.into(), "h"),
        (base().hardlink("h", "absent"), Rule::HardlinkTarget, "h"),
        (
            base().symlink("dir/up", "../a").hardlink("h", "dir/up"),
            PathRule::LinkOutside.into(),
            "h",
        ),
        (base().hardlink("h", "link/a"), Rule::HardlinkTarget, "h"),
        (base().hardlink("h", "dir"), Rule::HardlinkTarget, "h"),
        (kind(EntryType::Char), Rule::SpecialFile, "dev"),
        (kind(EntryType::Block), Rule::SpecialFile, "dev"),
        (kind(EntryType::Fifo), Rule::SpecialFile, "dev"),
        (kind(EntryType::GNUSparse), Rule::Sparse, "dev"),
        (kind(EntryType::new(b'D')), Rule::UnknownType, "dev"),
        (kind(EntryType::Continuous), Rule::UnknownType, "dev"),
        (base().entry(EntryType::Directory, b"d", b"", b"x", |_| {}), Rule::UnexpectedData, "d"),
        (base().file(".release.json", b"{}"), Rule::Reserved, ".release.json"),
        (base().directory("data"), Rule::Reserved, "data"),
        (base().file("data/x", b"x"), Rule::Reserved, "data/x"),
        (base().symlink("etc", "dir"), Rule::Reserved, "etc"),
        (base().file("etc/agent.conf", b"x"), Rule::Reserved, "etc/agent.conf"),
    ];
    for (archive, rule, name) in cases {
        // An entry after it shows that reading stopped.
        let archive = archive.file("after", b"x").end();
        let place = Place::new();
        let refusal = rejected(place.unpack(&archive.gzip()));
        assert_eq!(refusal, (rule, Some(name.to_owned())), "{}", rule.code());
        assert!(!place.staging().join("after").exists(), "{}", rule.code());
    }
}

#[test]
fn every_rule_of_headers_is_held_to() {
    let base = Sample::default;
    let file =
        |change: fn(&mut Header)| base().entry(EntryType::Regular, b"a", b"", b"x", change).end();
    let mut damaged = base().file("a", b"x").end();
    damaged.0[0] ^= 1;
    let big = "k".repeat(70_000);
    let cases = [
        (damaged, Rule::HeaderChecksum),
        (
            file(|header| header.as_mut_bytes()[257..263].copy_from_slice(b"ustaR\0")),
            Rule::HeaderMagic,
        ),
        (
            file(|header| header.as_mut_bytes()[257..265].copy_from_slice(b"ustar 00")),
            Rule::HeaderMagic,
        ),
        (file(|header| header.as_mut_bytes()[124] = b'+'), Rule::HeaderNumber),
        (file(|header| header.as_mut_bytes()[108] = b'+'), Rule::HeaderNumber),
        (
            file(|header| {
                header.as_mut_bytes()[257..265].copy_from_slice(b"ustar  \0");
                header.as_mut_bytes()[386] = b'1';
            }),
            Rule::Sparse,
        ),
        (file(|header| header.as_mut_bytes()[124..136].fill(0xff)), Rule::HeaderNumber),
        (base().gnu_long_name(&big).file("a", b"").end(), Rule::HeaderBytes),
        (base().pax(&[("comment", &big)]).file("a", b"").end(), Rule::HeaderBytes),
        (
            base().gnu_long_name("b").gnu_long_name("c").file("a", b"").end(),
            Rule::ExtensionRepeated,
        ),
        (base().pax(&[]).pax(&[]).file("a", b"").end(), Rule::ExtensionRepeated),
        (
            base().gnu_long_name("b").pax(&[("path", "c")]).file("a", b"").end(),
            Rule::ExtensionAmbiguous,
        ),
        (base().file("a", b"").gnu_long_name("b").end(), Rule::ExtensionDangling),
        (base().pax(&[("path", "b"), ("path", "c")]).file("a", b"").end(), Rule::PaxDuplicate),
        (base().pax(&[("size", "2")]).file("a", b"x").end(), Rule::PaxSize),
        (base().pax(&[("size", "-1")]).file("a", b"x").end(), Rule::PaxMalformed),
        (base().pax(&[("GNU.sparse.major", "1")]).file("a", b"x").end(), Rule::Sparse),
        (base().pax(&[("nonsense", "1")]).file("a", b"x").end(), Rule::PaxUnknown),
        (base().pax_global(&[("path", "b")]).file("a", b"x").end(), Rule::PaxGlobal),
    ];
    for (archive, rule) in cases {
        assert_eq!(rejected(Place::new().unpack(&archive.gzip())).0, rule, "{}", rule.code());
    }
    let record = pax_record("path", "b");
    let cut = base().entry(EntryType::XHeader, b"x", b"", &record[..record.len() - 1], |_| {});
    let refusal = rejected(Place::new().unpack(&cut.file("a", b"").end().gzip()));
    assert_eq!(refusal.0, Rule::PaxMalformed);
}

#[test]
fn every_rule_of_the_streams_end_is_held_to() {
    let whole = good().gzip();
    let file = || Sample::default().file("a", b"x");
    let mut wrong_crc = whole.clone();
    let crc = whole.len() - 8;
    wrong_crc[crc] ^= 1;
    let mut wrong_checksum = good().zstd();
    let last = wrong_checksum.len() - 1;
    wrong_checksum[last] ^= 1;
    let cases = [
        (b"PK\x03\x04 not this".to_vec(), Rule::UnknownFormat),
        (good().0, Rule::UnknownFormat),
        (Vec::new(), Rule::EmptyArchive),
        (Sample::default().directory("./").end().gzip(), Rule::EmptyArchive),
        (Sample::default().end().zstd(), Rule::EmptyArchive),
        (wrong_crc, Rule::Corrupt),
        (wrong_checksum, Rule::Corrupt),
        ([whole.clone(), whole.clone()].concat(), Rule::SecondMember),
        ([whole.clone(), gzip(b"")].concat(), Rule::SecondMember),
        ([&whole[..], b"\0\0\0\0\0x"].concat(), Rule::TrailingData),
        ([&good().zstd()[..], b"more than that"].concat(), Rule::Corrupt),
        ([&good().zstd()[..], b"mo"].concat(), Rule::Corrupt),
        (file().gzip(), Rule::NoEndMarker),
        (file().raw(&[0; 512]).file("b", b"x").end().gzip(), Rule::TrailingData),
        (file().end().file("b", b"x").end().gzip(), Rule::TrailingData),
        (file().end().raw(b"x").gzip(), Rule::TrailingData),
        (file().raw(&[1; 100]).gzip(), Rule::Truncated),
    ];
    for (archive, rule) in cases {
        assert_eq!(rejected(Place::new().unpack(&archive)).0, rule, "{}", rule.code());
    }
    Place::new().unpack(&file().raw(&[0; 10_240]).gzip()).unwrap();
}

#[test]
fn a_zstd_window_beyond_the_bound_is_refused() {
    use std::io::Write as _;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&good().0).unwrap();
    let refusal = rejected(Place::new().unpack(&encoder.finish().unwrap()));
    assert_eq!(refusal.0, Rule::Window);
}

#[test]
fn lesson_16_sizes_and_entries_have_bounds() {
    let many = (0..101).fold(Sample::default(), |sample, n| sample.file(&n.to_string(), b""));
    let refusal = rejected(Place::new().unpack(&many.end().gzip()));
    assert_eq!(refusal, (Rule::Entries, Some("100".to_owned())));

    // Directories that no entry is for take inodes and memory all the same.
    let deep = |n: u32| format!("{n}{}/file", "/d".repeat(30));
    let implied = (0..10).fold(Sample::default(), |sample, n| sample.file(&deep(n), b""));
    let refusal = rejected(Place::new().unpack(&implied.end().gzip()));
    assert_eq!(refusal, (Rule::Entries, Some(deep(3))));

    let declared = Sample::default()
        .entry(EntryType::Regular, b"big", b"", b"", |header| header.set_size(u64::MAX / 2))
        .end();
    let refusal = rejected(Place::new().unpack(&declared.gzip()));
    assert_eq!(refusal, (Rule::UnpackedBytes, Some("big".to_owned())));

    let copies = (0..9).fold(Sample::default().file("a", &vec![0; 1 << 19]), |sample, n| {
        sample.hardlink(&format!("copy{n}"), "a")
    });
    let refusal = rejected(Place::new().unpack(&copies.end().gzip()));
    assert_eq!(refusal, (Rule::UnpackedBytes, Some("copy6".to_owned())));

    let bounds = UnpackLimits { archive_bytes: 100, ..BOUNDS };
    let result = Place::new().unpack_within(&good().gzip(), &bounds);
    assert!(matches!(result, Err(UnpackError::TooLarge { limit: 100 })), "{result:?}");
}

#[test]
fn lesson_31_a_bomb_stops_at_the_bound() {
    // Ten gigabytes, sent as long as anyone takes them; tar's content and its end padding.
    let zeros = vec![0; 10 << 20];
    let head = frame_of(&Sample::default().file("a", b"x").end().0);
    let zeros = frame_of(&zeros);
    let mut sent = 0_u64;
    let place = Place::new();
    let source = std::iter::once(head).chain(std::iter::repeat_n(zeros, 1024)).map(|chunk| {
        sent += 1;
        Ok(chunk)
    });
    let bounds = UnpackLimits { archive_bytes: 1 << 30, ..BOUNDS };
    let result = unpack(source, &place.staging(), &bounds, &[], &|_| {});
    assert_eq!(rejected(result).0, Rule::UnpackedBytes);
    assert!(sent < 100, "{sent} chunks were taken");
}

/// A zstd frame: several of them are one stream, however often they are repeated.
fn frame_of(bytes: &[u8]) -> Bytes {
    zstd(bytes).into()
}

#[test]
fn lesson_31_nothing_is_written_through_a_link() {
    let place = Place::new();
    let outside = place.root.path().to_str().unwrap();
    for target in [outside, ".."] {
        let archive = Sample::default().symlink("way", target).file("way/secret", b"theirs").end();
        rejected(place.unpack(&archive.gzip()));
        assert_eq!(fs::read_dir(place.staging()).unwrap().count(), 0);
    }
}

#[test]
fn lesson_06_a_cut_or_damaged_archive_is_never_taken() {
    for archive in [good().gzip(), good().zstd()] {
        for length in 0..archive.len() {
            let result = Place::new().unpack(&archive[..length]);
            assert!(matches!(result, Err(UnpackError::Rejected { .. })), "{length}: {result:?}");
        }
        let digest = Digest::from_bytes(sha2::Sha256::digest(&archive).into());
        for position in 0..archive.len() {
            let mut damaged = archive.clone();
            damaged[position] ^= 1 << (position % 8);
            // Some bits say nothing (a time, an operating system): then the digest differs.
            if let Ok(received) = Place::new().unpack(&damaged) {
                assert_ne!(received.digest, digest);
            }
        }
    }
}

#[test]
fn a_sender_who_leaves_interrupts_and_one_who_sends_nonsense_is_not_read_to_the_end() {
    let place = Place::new();
    let archive = good().gzip();
    let chunks = [
        Ok(Bytes::copy_from_slice(&archive[..50])),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ];
    let result = unpack(chunks.into_iter(), &place.staging(), &BOUNDS, &[], &|_| {});
    assert!(matches!(result, Err(UnpackError::Interrupted { .. })), "{result:?}");

    let endless = std::iter::repeat_with(|| Ok(Bytes::from_static(b"not an archive")));
    let bounds = UnpackLimits { archive_bytes: u64::MAX, ..BOUNDS };
    let result = unpack(endless, &place.staging(), &bounds, &[], &|_| {});
    assert_eq!(rejected(result).0, Rule::UnknownFormat);
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_the_host() {
    let nowhere = Path::new("/nonexistent/staging");
    let result = unpack(std::iter::empty(), nowhere, &BOUNDS, &[], &|_| {});
    assert!(matches!(result, Err(UnpackError::Io { .. })), "{result:?}");
}

#[test]
fn chunks_of_one_byte_are_as_good_as_any() {
    let place = Place::new();
    let archive = good().zstd();
    let chunks = archive.iter().map(|byte| Ok(Bytes::copy_from_slice(&[*byte])));
    let last = std::cell::Cell::new((0, 0));
    let report = |progress: crate::Progress| {
        last.set((progress.archive_bytes, progress.entries));
    };
    let received = unpack(chunks, &place.staging(), &BOUNDS, &[], &report).unwrap();
    assert_eq!(last.get().0, received.archive_bytes);
}
