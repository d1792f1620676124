//! The release's own names, and what it says of itself.

use super::super::{Format, Tar, kind};
use super::Family;

/// Names that are the updater's, or that the host links into each release.
const RESERVED: &[&str] = &[
    ".release.json",
    "./.release.json",
    ".release.json/below",
    "data",
    "data/below",
    "etc/agent.conf",
    "etc/agent.conf/below",
    "etc",
];

/// A `release.toml` that is none.
const MANIFESTS: &[(&str, &[u8])] = &[
    ("no TOML", b"name = "),
    ("an unknown key", b"nmae = 'agent'"),
    ("a wrong type", b"[build]\ncommand = 7"),
    ("escape sequences", b"version = \"1\\u001b[2J\""),
    ("no UTF-8", b"name = '\xff'"),
];

pub(super) fn add(family: &mut Family) {
    for name in RESERVED {
        for format in Format::ALL {
            let tar = Tar::new().written(format, kind::FILE, name.as_bytes(), b"");
            family.tar(&format!("a file at {name} in {format:?}"), &tar, "reserved", name);
        }
        let tar = Tar::new().file("file", b"x").symlink(name, "file");
        family.tar(&format!("a link at {name}"), &tar, "reserved", name);
        let tar = Tar::new().file("file", b"x").hardlink(name, "file");
        family.tar(&format!("a hardlink at {name}"), &tar, "reserved", name);
    }
    for name in [".release.json/", "data/", "etc/agent.conf/"] {
        family.tar(
            &format!("a directory at {name}"),
            &Tar::new().directory(name),
            "reserved",
            name,
        );
    }
    let mut refuse = |what: &str, tar: Tar| {
        family.tar(what, &tar, "manifest", "release.toml");
    };
    for (what, text) in MANIFESTS {
        let what = format!("a manifest with {what}");
        refuse(&what, Tar::new().file("release.toml", text));
    }
    // What stands behind the bound must not be what a smaller reader leaves out.
    let long = [b"name = 'agent'\n#".as_slice(), &b"x".repeat(70_000)].concat();
    refuse("a manifest of 70 KB", Tar::new().file("release.toml", &long));
    let deep = format!("name = {}", "[".repeat(60_000));
    refuse("a manifest of brackets", Tar::new().file("release.toml", deep.as_bytes()));
    refuse("a directory as manifest", Tar::new().directory("release.toml/"));
    let link = Tar::new().file("other", b"").symlink("release.toml", "other");
    refuse("a link as manifest", link);
    refuse("a loop as manifest", Tar::new().symlink("release.toml", "release.toml"));
}
