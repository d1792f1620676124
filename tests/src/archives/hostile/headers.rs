//! Header blocks that readers disagree about.

use super::super::{Header, Tar, kind};
use super::Family;

/// The twelve bytes of a size, and the rule that they break.
const SIZES: &[(&[u8], &str)] = &[
    (b"+0000000001\0", "header_number"),
    (b"-0000000001\0", "header_number"),
    (b"0x000000001\0", "header_number"),
    (b"00000000008\0", "header_number"),
    (b"0000 000001\0", "header_number"),
    (b"1\0junk\0\0\0\0\0\0", "header_number"),
    (b"\0\0\0\0\0\0\0\0\0\0\0\0", "header_number"),
    (b"            ", "header_number"),
    (b"\t0000000001\0", "header_number"),
    (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "header_number"),
    (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", "header_number"),
    (b"\xc0\0\0\0\0\0\0\0\0\0\0\x01", "header_number"),
    (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "unpacked_bytes"),
    (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "unpacked_bytes"),
    (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xfe\x01", "unpacked_bytes"),
    (b"777777777777", "unpacked_bytes"),
];

const MAGICS: &[&[u8; 8]] = &[
    b"ustaR\x0000",
    b"ustar 00",
    b"ustar   ",
    b"USTAR\x0000",
    b"xstar\x0000",
    b"\0\0\0\0\0\x0000",
];

/// Fields that are dropped, and have to be well formed all the same.
const DROPPED: &[(&str, usize)] =
    &[("uid", 108), ("gid", 116), ("mtime", 136), ("major", 329), ("minor", 337)];

pub(super) fn add(family: &mut Family) {
    let file = || Header::new(kind::FILE, "file").size(1);
    let mut refuse = |what: &str, header: &Header, rule| {
        family.tar(what, &Tar::new().entry(header, b"x"), rule, "file");
    };
    for (size, rule) in SIZES {
        refuse(&format!("the size {}", size.escape_ascii()), &file().raw_size(size), rule);
        let gnu = file().gnu().raw_size(size);
        refuse(&format!("the size {}, GNU", size.escape_ascii()), &gnu, rule);
    }
    for magic in MAGICS {
        let what = format!("the magic {}", magic.escape_ascii());
        refuse(&what, &file().magic(magic), "header_magic");
    }
    for (field, offset) in DROPPED {
        refuse(&format!("a malformed {field}"), &file().at(*offset, b"zzzzzzz\0"), "header_number");
        refuse(&format!("a signed {field}"), &file().at(*offset, b"-000001\0"), "header_number");
    }
    refuse("a malformed mode", &file().at(100, b"rwxr-xr-"), "header_number");
    refuse("a negative mode", &file().at(100, &[0xff; 8]), "header_number");
    refuse("a checksum that is wrong", &file().checksum(b"0000001\0"), "header_checksum");
    refuse("no checksum", &file().checksum(&[b' '; 8]), "header_number");
    // Some readers look for these in whatever has GNU's magic.
    refuse("a sparse map", &file().gnu().at(386, b"00000000000 00000000001"), "sparse");
    refuse("a sparse map that goes on", &file().gnu().at(482, &[1]), "sparse");
    refuse("a sparse file's size", &file().gnu().at(483, b"00000000777"), "sparse");

    let name = "sp\u{e4}t";
    let odd = Header::new(kind::FILE, name).size(1);
    let sum = format!("{:06o}\0 ", odd.sum(true));
    let signed = sum.as_bytes().first_chunk().copied().unwrap_or_default();
    let tar = Tar::new().entry(&odd.checksum(&signed), b"x");
    family.tar("a checksum of signed bytes", &tar, "header_checksum", name);
    let noise = Tar::new().file("file", b"").raw(&[b'n'; 512]);
    family.tar("noise instead of a header", &noise, "header_number", &"n".repeat(100));
}
