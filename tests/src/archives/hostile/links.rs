//! Links that lead out of the tree, and what would be written through links.

use super::super::{Format, Tar, kind};
use super::Family;

/// A symlink's name and target, and the rule that it breaks.
const SYMLINKS: &[(&str, &str, &str)] = &[
    ("link", "/etc/passwd", "link_absolute"),
    ("link", "/", "link_absolute"),
    ("link", "..", "link_outside"),
    ("link", "../outside", "link_outside"),
    ("link", "./../outside", "link_outside"),
    ("dir/link", "../../outside", "link_outside"),
    ("dir/link", "../../../../../../../../etc/passwd", "link_outside"),
    ("link", "dir/../../outside", "link_detour"),
    ("link", "dir/sub/../../..", "link_detour"),
    ("link", "a\nb", "path_control"),
    ("link", "a\\b", "path_backslash"),
    ("link", "a\u{202e}b", "path_bidi"),
];

/// A hardlink's target, and the rule that it breaks.
const HARDLINKS: &[(&str, &str)] = &[
    ("/etc/passwd", "path_absolute"),
    ("../outside", "path_parent"),
    ("dir/../../outside", "path_parent"),
    ("absent", "hardlink_target"),
    ("after", "hardlink_target"),
    ("hard", "hardlink_target"),
    ("dir", "hardlink_target"),
    ("dir/", "hardlink_target"),
    ("dir/to-above", "link_outside"),
    ("to-dir/file", "hardlink_target"),
    (".", "hardlink_target"),
];

/// What a file, `name`, would be written to.
const THROUGH: &[(&str, &str)] = &[
    ("to-dir/new", "through_link"),
    ("to-dir/file", "through_link"),
    ("to-here/new", "through_link"),
    ("chain/new", "through_link"),
    ("dangling/new", "through_link"),
    ("loop/new", "through_link"),
    ("dangling", "kind_changed"),
    ("to-file", "kind_changed"),
    ("to-file/new", "through_link"),
];

pub(super) fn add(family: &mut Family) {
    for (name, target, rule) in SYMLINKS {
        for format in Format::ALL {
            let tar = tree().written(format, kind::SYMLINK, name.as_bytes(), target.as_bytes());
            family.tar(&format!("a symlink to {target:?} in {format:?}"), &tar, rule, name);
        }
    }
    for (target, rule) in HARDLINKS {
        for format in Format::ALL {
            let tar = tree().written(format, kind::HARDLINK, b"hard", target.as_bytes());
            family.tar(&format!("a hardlink to {target:?} in {format:?}"), &tar, rule, "hard");
        }
    }
    for (name, rule) in THROUGH {
        for format in Format::ALL {
            let tar = tree().written(format, kind::FILE, name.as_bytes(), b"");
            family.tar(&format!("a file at {name:?} in {format:?}"), &tar, rule, name);
        }
    }
    let cases = [
        ("a symlink to nothing", tree().symlink("link", ""), "link_empty", "link"),
        ("a hardlink to nothing", tree().hardlink("hard", ""), "path_empty", "hard"),
        (
            "a directory below a link",
            tree().directory("to-dir/sub/"),
            "through_link",
            "to-dir/sub/",
        ),
        ("a symlink below a link", tree().symlink("to-dir/l", "file"), "through_link", "to-dir/l"),
        (
            "a hardlink below a link",
            tree().hardlink("to-dir/h", "file"),
            "through_link",
            "to-dir/h",
        ),
        ("a directory over a link", tree().directory("to-dir/"), "through_link", "to-dir/"),
        ("a link over a directory", tree().symlink("dir", "file"), "kind_changed", "dir"),
        ("a link over a full directory", tree().symlink("dir/sub", "."), "kind_changed", "dir/sub"),
        ("a link over a link", tree().symlink("to-dir", "."), "duplicate", "to-dir"),
        ("a link over a file", tree().symlink("file", "dir"), "kind_changed", "file"),
        ("a hardlink over its target", tree().hardlink("file", "file"), "duplicate", "file"),
        ("a hardlink over a link", tree().hardlink("to-file", "file"), "kind_changed", "to-file"),
        ("a link in the root's place", tree().symlink("./", "dir"), "kind_changed", "./"),
        ("a link with a slash", tree().symlink("link/", "dir"), "path_trailing_slash", "link/"),
    ];
    for (what, tar, rule, entry) in cases {
        family.tar(what, &tar, rule, entry);
    }
}

/// What the attacks find in place, all of it fine.
fn tree() -> Tar {
    Tar::new()
        .file("file", b"content")
        .directory("dir/")
        .file("dir/file", b"content")
        .file("dir/sub/file", b"content")
        .symlink("to-file", "file")
        .symlink("to-dir", "dir")
        .symlink("to-here", ".")
        .symlink("chain", "to-dir/sub")
        .symlink("dangling", "not/there")
        .symlink("loop", "loop")
        .symlink("dir/to-above", "../file")
}
