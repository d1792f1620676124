//! Several things that are fine by themselves, or nearly, put together.

use super::super::{Format, GzipHead, Header, Tar, gzip_with, kind, zstd, zstd_skippable};
use super::Family;
use crate::Packing::{Gzip, Zstd};

pub(super) fn add(family: &mut Family) {
    add_links(family);
    add_names(family);
    add_pieces(family);
    for format in Format::ALL {
        let tar = Tar::new()
            .written(format, kind::DIRECTORY, b"a", b"")
            .written(format, kind::SYMLINK, b"a/up", b"..")
            .written(format, kind::FILE, b"a/up/../x", b"");
        let what = format!("a way up and a way round in {format:?}");
        family.tar(&what, &tar, "path_parent", "a/up/../x");
    }
}

fn add_links(family: &mut Family) {
    let cases = [
        (
            "a link chain whose last step PAX overrides",
            Tar::new()
                .directory("a/")
                .symlink("a/b", ".")
                .pax(&[("linkpath", "a/b/../../..")])
                .symlink("c", "a"),
            "link_detour",
            "c",
        ),
        (
            "a link that PAX renames to where a file was to go",
            Tar::new()
                .pax(&[("path", "lib"), ("linkpath", "../../..")])
                .symlink("harmless", "a")
                .file("lib/evil", b"x"),
            "link_outside",
            "lib",
        ),
        (
            "a link inside, and a file that PAX puts through it",
            Tar::new().directory("a/").symlink("lib", "a").pax(&[("path", "lib/x")]).file("x", b""),
            "through_link",
            "lib/x",
        ),
        (
            "a hardlink to a name that a later entry replaces",
            Tar::new().file("a", b"x").hardlink("b", "a").symlink("a", "b"),
            "kind_changed",
            "a",
        ),
        (
            "a file below a hardlink to a link",
            Tar::new().symlink("a", "b").directory("b").hardlink("c", "a").file("c/x", b"x"),
            "through_link",
            "c/x",
        ),
        (
            "a hardlink over a PAX target out of the tree",
            Tar::new().file("a", b"x").pax(&[("linkpath", "../../outside")]).hardlink("b", "a"),
            "path_parent",
            "b",
        ),
        (
            "a directory that becomes a link between two entries",
            Tar::new().directory("lib/").file("lib/a", b"x").symlink("lib", "."),
            "kind_changed",
            "lib",
        ),
        (
            "a link that becomes a directory between two entries",
            Tar::new().symlink("lib", ".").file("a", b"x").directory("lib/"),
            "through_link",
            "lib/",
        ),
        (
            "an implied directory that becomes a device",
            Tar::new().file("a/b", b"x").entry(&Header::new(kind::BLOCK, "a"), b""),
            "special_file",
            "a",
        ),
        (
            "links that climb step by step",
            Tar::new()
                .directory("a/b/c/")
                .symlink("a/b/c/up", "..")
                .symlink("a/b/up", "c/up")
                .symlink("up", "a/b/up/../../.."),
            "link_detour",
            "up",
        ),
        (
            "setuid root through a link",
            Tar::new()
                .symlink("bin", "sbin")
                .entry(&Header::new(kind::FILE, "bin/sh").mode(0o6755), b""),
            "through_link",
            "bin/sh",
        ),
    ];
    for (what, tar, rule, entry) in cases {
        family.tar(what, &tar, rule, entry);
    }
}

fn add_names(family: &mut Family) {
    let cases = [
        (
            "a long name that hides a traversal in its depth",
            Tar::new().long_name(&[&b"d/".repeat(20)[..], b"../x"].concat()).file("x", b""),
            "path_parent",
            "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/../x",
        ),
        (
            "a long target that hides a traversal in its depth",
            Tar::new().long_link(&b"d/../".repeat(30)).symlink("x", "harmless"),
            "link_detour",
            "x",
        ),
        (
            "a release file that PAX puts over a reserved name",
            Tar::new().pax(&[("path", ".release.json")]).file("release.json", b"{}"),
            "reserved",
            ".release.json",
        ),
        (
            "a reserved name as a long name, with a comment for all",
            Tar::new()
                .pax_global(&[("comment", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")])
                .long_name(b"./data/x")
                .file("x", b""),
            "reserved",
            "./data/x",
        ),
        (
            "a prefix, a long name and records for one entry",
            Tar::new()
                .long_name(b"a")
                .pax(&[("path", "b")])
                .entry(&Header::new(kind::FILE, "c").prefix("d"), b""),
            "extension_ambiguous",
            "d/c",
        ),
    ];
    for (what, tar, rule, entry) in cases {
        family.tar(what, &tar, rule, entry);
    }
}

fn add_pieces(family: &mut Family) {
    let evil = Tar::new().file("../outside", b"x").end();
    let head = GzipHead {
        extra: Some(evil.bytes().to_vec()),
        name: Some(b"../../outside".to_vec()),
        comment: Some(b"\x1b[2J".to_vec()),
        checksum: Some(true),
        flags: 1,
    };
    let what = "a traversal behind all that a gzip head can have";
    let bytes = gzip_with(&head, evil.bytes());
    family.stream(what, Gzip, bytes, "path_parent", Some("../outside"));
    let (first, second) = evil.bytes().split_at(100);
    let frames =
        [zstd_skippable(b"x"), zstd(first), zstd_skippable(b""), zstd(b""), zstd(second)].concat();
    let what = "a traversal in pieces of frames";
    family.stream(what, Zstd, frames, "path_parent", Some("../outside"));
}
