//! What is neither a file nor a directory nor a link, and what has bytes that it must not have.

use super::super::{Header, Tar, kind};
use super::Family;

pub(super) fn add(family: &mut Family) {
    for (kind, rule) in [
        (kind::CHARACTER, "special_file"),
        (kind::BLOCK, "special_file"),
        (kind::FIFO, "special_file"),
        (b'S', "sparse"),
        (b'7', "unknown_type"),
        (b's', "unknown_type"),
        (b'A', "unknown_type"),
        (b'D', "unknown_type"),
        (b'E', "unknown_type"),
        (b'I', "unknown_type"),
        (b'M', "unknown_type"),
        (b'N', "unknown_type"),
        (b'X', "unknown_type"),
        (b'Z', "unknown_type"),
        (0xff, "unknown_type"),
    ] {
        // The memory of this machine, if it were made.
        let device = |header: Header| header.at(329, b"0000001\0").at(337, b"0000001\0");
        let ustar = device(Header::new(kind, "odd"));
        let what = format!("an entry of type {:?}", char::from(kind));
        family.tar(&format!("{what}, ustar"), &Tar::new().entry(&ustar, b""), rule, "odd");
        let gnu = Tar::new().entry(&ustar.gnu(), b"");
        family.tar(&format!("{what}, GNU"), &gnu, rule, "odd");
        let pax =
            Tar::new().pax(&[("path", "renamed")]).entry(&device(Header::new(kind, "x")), b"");
        family.tar(&format!("{what}, PAX"), &pax, rule, "renamed");
    }
    let label = Header::new(b'V', "label").gnu();
    let renamed = Tar::new().pax(&[("path", "renamed")]).entry(&label, b"");
    family.tar("a volume label that is renamed", &renamed, "unknown_type", "renamed");
    let full = Tar::new().entry(&label.clone().size(5), b"bytes");
    family.tar("a volume label with content", &full, "unknown_type", "label");
    family.tar(
        "a volume label before POSIX",
        &Tar::new().entry(&label.v7(), b""),
        "unknown_type",
        "label",
    );
    let base = || Tar::new().file("file", b"x");
    for (what, kind) in
        [("symlink", kind::SYMLINK), ("hardlink", kind::HARDLINK), ("directory", kind::DIRECTORY)]
    {
        let header = Header::new(kind, "odd").link("file").size(5);
        let tar = base().entry(&header, b"bytes");
        family.tar(&format!("a {what} with content"), &tar, "unexpected_data", "odd");
    }
    // Its content would be read as headers by whoever believes in links without content.
    let inner = Tar::new().file("../outside", b"x");
    let header = Header::new(kind::HARDLINK, "odd").link("file").size(1024);
    let tar = base().entry(&header, inner.bytes());
    family.tar("an archive in a hardlink's content", &tar, "unexpected_data", "odd");
}
