//! Names that are there already, in this spelling or in another, or as something else.

use super::super::{Format, Tar, kind};
use super::Family;

pub(super) fn add(family: &mut Family) {
    let base = || Tar::new().file("file", b"x").directory("dir/").file("implied/f", b"x");
    for format in Format::ALL {
        let twins: [(&[u8], u8, &str); 6] = [
            (b"file", kind::FILE, "duplicate"),
            (b"./file", kind::FILE, "duplicate"),
            (b"dir", kind::FILE, "kind_changed"),
            (b"implied", kind::FILE, "kind_changed"),
            (b"file/below", kind::FILE, "below_file"),
            (b"file", kind::DIRECTORY, "below_file"),
        ];
        for (name, kind, rule) in twins {
            let shown = String::from_utf8_lossy(name);
            let tar = base().written(format, kind, name, b"");
            let what = format!("{shown} again, {rule}, in {format:?}");
            family.tar(&what, &tar, rule, &shown);
        }
        // é as one character and as two; Å as itself and as the sign of a unit.
        for (one, other) in [("caf\u{e9}", "cafe\u{301}"), ("\u{c5}", "\u{212b}")] {
            let shown = other.replace('\u{301}', "\\u{301}");
            let tar = base().file(one, b"x").written(format, kind::FILE, other.as_bytes(), b"");
            family.tar(&format!("{one} twice in {format:?}"), &tar, "normalisation", &shown);
            let below = format!("{other}/g");
            let tar = base().file(format!("{one}/f"), b"x");
            let tar = tar.written(format, kind::FILE, below.as_bytes(), b"");
            let what = format!("{one} as two directories in {format:?}");
            family.tar(&what, &tar, "normalisation", &format!("{shown}/g"));
        }
    }
    let linked = || Tar::new().file("f", b"x").symlink("caf\u{e9}", ".");
    let tar = linked().file("cafe\u{301}/f", b"x");
    let what = "a file through the other spelling of a link";
    family.tar(what, &tar, "normalisation", "cafe\\u{301}/f");
    let tar = Tar::new().file("caf\u{e9}", b"x").hardlink("h", "cafe\u{301}");
    family.tar("a hardlink to the other spelling", &tar, "hardlink_target", "h");
}
