//! Streams that are no archive, end too early, or do not end.

use super::super::{GzipHead, Header, Tar, gzip, gzip_with, kind, zstd, zstd_skippable};
use super::Family;
use crate::Packing::{Gzip, Zstd};

pub(super) fn add(family: &mut Family) {
    add_foreign(family);
    add_gzip(family);
    add_zstd(family);
    add_ends(family);
}

fn good() -> Tar {
    Tar::new().file("file", &[b'x'; 3000]).end()
}

fn add_foreign(family: &mut Family) {
    let tar = good().bytes().to_vec();
    let foreign: [(&str, Vec<u8>, &str); 8] = [
        ("nothing", Vec::new(), "empty_archive"),
        ("a tar that is not compressed", tar, "unknown_format"),
        ("a zip", b"PK\x03\x04 and so on".to_vec(), "unknown_format"),
        ("an xz", b"\xfd7zXZ\0 and so on".to_vec(), "unknown_format"),
        ("a bzip2", b"BZh91AY&SY and so on".to_vec(), "unknown_format"),
        ("a page", b"<html>404</html>".to_vec(), "unknown_format"),
        ("one byte", b"\x1f".to_vec(), "unknown_format"),
        ("an old zstd", b"\x27\xb5\x2f\xfd and so on".to_vec(), "unknown_format"),
    ];
    for (what, bytes, rule) in foreign {
        family.stream(what, Gzip, bytes, rule, None);
    }
}

fn add_gzip(family: &mut Family) {
    let whole = gzip(good().bytes());
    let end = whole.len();
    let mut refuse = |what: &str, bytes: Vec<u8>, rule: &'static str| {
        family.stream(what, Gzip, bytes, rule, None);
    };
    for (what, length) in [("head", 5), ("checksum", end - 6), ("length", end - 1)] {
        refuse(&format!("gzip that ends in its {what}"), whole[..length].to_vec(), "truncated");
    }
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    refuse("a wrong checksum", flipped(end - 8), "corrupt");
    refuse("a wrong length", flipped(end - 4), "corrupt");
    refuse("another method", flipped(2), "corrupt");
    refuse("a second member", whole.repeat(2), "second_member");
    refuse("an empty second member", [whole.clone(), gzip(b"")].concat(), "second_member");
    refuse("garbage after a member", [&whole[..], b"garbage"].concat(), "trailing_data");
    let zeros = [&whole[..], &[0; 512]].concat();
    refuse("more after the zeros after a member", [&zeros, &b"x"[..]].concat(), "trailing_data");
    let member = [&zeros, &whole[..]].concat();
    refuse("a member after the zeros after a member", member, "trailing_data");
    let zstd = [whole.clone(), zstd(good().bytes())].concat();
    refuse("zstd after gzip", zstd, "trailing_data");
    let heads = [
        ("reserved flags", GzipHead { flags: 0xe0, ..GzipHead::default() }),
        ("a wrong head", GzipHead { checksum: Some(false), ..GzipHead::default() }),
        ("a name of 100 KB", GzipHead { name: Some(vec![b'n'; 100_000]), ..GzipHead::default() }),
        (
            "a comment of 100 KB",
            GzipHead { comment: Some(vec![b'n'; 100_000]), ..GzipHead::default() },
        ),
    ];
    for (what, head) in heads {
        refuse(what, gzip_with(&head, good().bytes()), "corrupt");
    }
}

fn add_zstd(family: &mut Family) {
    let whole = zstd(good().bytes());
    let end = whole.len();
    let mut refuse = |what: &str, bytes: Vec<u8>, rule: &'static str| {
        family.stream(what, Zstd, bytes, rule, None);
    };
    for (what, length) in [("head", 5), ("body", 12), ("checksum", end - 1)] {
        refuse(&format!("zstd that ends in its {what}"), whole[..length].to_vec(), "truncated");
    }
    let changed = |at: usize, bits: u8| {
        let mut bytes = whole.clone();
        bytes[at] ^= bits;
        bytes
    };
    refuse("a wrong checksum", changed(end - 1, 1), "corrupt");
    refuse("a reserved bit", changed(4, 8), "corrupt");
    refuse("garbage after a frame", [&whole[..], b"garbage"].concat(), "corrupt");
    refuse("a byte after a frame", [&whole[..], b"g"].concat(), "corrupt");
    refuse("gzip after zstd", [whole.clone(), gzip(good().bytes())].concat(), "corrupt");
    let old = [&whole[..], b"\x27\xb5\x2f\xfd and so on"].concat();
    refuse("an old frame after a new one", old, "corrupt");
    // A frame's descriptor with a dictionary's number of one byte.
    let dictionary = [b"\x28\xb5\x2f\xfd\x01\x58\x07\x01\0\0".as_slice(), &[0; 8]].concat();
    refuse("a dictionary", dictionary, "corrupt");
    let cut = [whole, zstd_skippable(b"skipped")[..10].to_vec()].concat();
    refuse("a skippable frame that is cut", cut, "truncated");
}

fn add_ends(family: &mut Family) {
    let file = || Tar::new().file("file", b"x");
    let zeros = [0; 512];
    let rest = Tar::new().file("more", b"x").end();
    let cases = [
        ("no end", file(), "no_end_marker"),
        ("an entry in the end", file().raw(&zeros).raw(rest.bytes()), "trailing_data"),
        ("a second archive", file().end().raw(rest.bytes()), "trailing_data"),
        ("a byte after the end", file().end().raw(b"x"), "trailing_data"),
        ("a byte in the padding", file().end().raw(&[0; 9000]).raw(b"x"), "trailing_data"),
        ("half a header", file().raw(&[b'x'; 100]), "truncated"),
        ("half a block of zeros", file().raw(&[0; 100]), "truncated"),
        ("no entry", Tar::new().end(), "empty_archive"),
        ("only the root", Tar::new().directory("./").end(), "empty_archive"),
        ("only a comment", Tar::new().pax_global(&[("comment", "x")]).end(), "empty_archive"),
    ];
    for (what, tar, rule) in cases {
        family.whole(what, &tar, rule, None);
    }
    let header = Header::new(kind::FILE, "short").size(5000);
    let content = Tar::new().entry(&header, &[b'x'; 1024]);
    family.whole("half a content", &content, "truncated", Some("short"));
    let header = Header::new(kind::FILE, "unpadded").size(3);
    let content = Tar::new().raw(&header.block()).raw(b"xxx");
    family.whole("a content without padding", &content, "truncated", Some("unpadded"));
    let records = Header::new(kind::PAX, "PaxHeaders/next").size(2048);
    let records = Tar::new().entry(&records, b"10 path=a\n");
    family.whole("half a PAX header", &records, "truncated", Some("PaxHeaders/next"));
}
