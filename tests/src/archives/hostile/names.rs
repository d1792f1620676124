//! Names that lead elsewhere, or that are shown as something else than they are.

use super::super::{Format, Header, Tar, kind};
use super::Family;

/// A name, the rule that it breaks, and how a person is shown it.
type Name = (&'static [u8], &'static str, &'static str);

const BAD: &[Name] = &[
    (b"..", "path_parent", ".."),
    (b"../outside", "path_parent", "../outside"),
    (b"./../outside", "path_parent", "./../outside"),
    (b"a/../../outside", "path_parent", "a/../../outside"),
    (b"a/..", "path_parent", "a/.."),
    (b"/tmp/outside", "path_absolute", "/tmp/outside"),
    (b"//outside", "path_absolute", "//outside"),
    (b".//outside", "path_absolute", ".//outside"),
    (b"/", "path_absolute", "/"),
    (b"a//../../outside", "path_parent", "a//../../outside"),
    (b"a//.//b", "path_dot", "a//.//b"),
    (b"a/./b", "path_dot", "a/./b"),
    (b"././../outside", "path_parent", "././../outside"),
    (b"././/outside", "path_absolute", "././/outside"),
    (b"a/.", "path_dot", "a/."),
    (b"a\\..\\b", "path_backslash", "a\\..\\b"),
    (b"a\nb", "path_control", "a\\nb"),
    (b"a\x1b[2Jb", "path_control", "a\\u{1b}[2Jb"),
    (b"a\x7fb", "path_control", "a\\u{7f}b"),
    ("a\u{85}b".as_bytes(), "path_control", "a\\u{85}b"),
    ("a\u{2028}b".as_bytes(), "path_control", "a\\u{2028}b"),
    ("a\u{202e}hs.txt".as_bytes(), "path_bidi", "a\\u{202e}hs.txt"),
    ("a\u{2066}b".as_bytes(), "path_bidi", "a\\u{2066}b"),
    (b"a\xffb", "path_not_utf8", "a\u{fffd}b"),
    // `/` in two bytes, which a lax decoder takes for one.
    (b"a\xc0\xafb", "path_not_utf8", "a\u{fffd}\u{fffd}b"),
    (b"file/", "path_trailing_slash", "file/"),
];

pub(super) fn add(family: &mut Family) {
    for (name, rule, shown) in BAD {
        for format in Format::ALL {
            let tar = Tar::new().written(format, kind::FILE, name, b"");
            family.tar(&format!("a file named {shown} in {format:?}"), &tar, rule, shown);
        }
        if !name.ends_with(b"/") {
            let tar = Tar::new().directory(name);
            family.tar(&format!("a directory named {shown}"), &tar, rule, shown);
        }
    }
    let part = "p".repeat(256);
    let path = format!("{}file", "directory/".repeat(103));
    let deep = "d/".repeat(64) + "f";
    let long = [(&part, "path_part_too_long"), (&path, "path_too_long"), (&deep, "path_too_deep")];
    for (name, rule) in long {
        for format in [Format::Gnu, Format::Pax] {
            let tar = Tar::new().written(format, kind::FILE, name.as_bytes(), b"");
            let shown = &name[..name.len().min(1024)];
            family.tar(&format!("{rule} in {format:?}"), &tar, rule, shown);
        }
    }
    for format in [Format::Gnu, Format::Pax] {
        let tar = Tar::new().written(format, kind::FILE, b"good\0/../../bad", b"");
        let what = format!("a name behind a NUL in {format:?}");
        family.tar(&what, &tar, "path_nul", "good\\0/../../bad");
    }
    family.tar("no name", &Tar::new().file("", b""), "path_empty", "");
    family.tar("a long name of nothing", &named(Format::Gnu, b""), "path_empty", "");
    for (prefix, name, rule, shown) in [
        ("..", "outside", "path_parent", "../outside"),
        ("a/..", "b", "path_parent", "a/../b"),
        ("/tmp", "outside", "path_absolute", "/tmp/outside"),
        ("a/", "../b", "path_parent", "a//../b"),
        ("a", "", "path_trailing_slash", "a/"),
        ("a", "../b", "path_parent", "a/../b"),
    ] {
        let tar = Tar::new().entry(&Header::new(kind::FILE, name).prefix(prefix), b"");
        family.tar(&format!("{name:?} behind the prefix {prefix:?}"), &tar, rule, shown);
    }
}

fn named(format: Format, name: &[u8]) -> Tar {
    Tar::new().written(format, kind::FILE, name, b"")
}
