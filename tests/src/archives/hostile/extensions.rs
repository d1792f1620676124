//! Extended headers: PAX records and GNU's long names that are ambiguous, malformed or endless.

use super::super::{Format, Header, Tar, kind, pax_record};
use super::Family;

/// How a PAX header's own entry is shown.
const PAX: &str = "PaxHeaders/next";
/// How that of a long name is.
const LONG: &str = "././@LongLink";

/// PAX records, the rule that they break, and the entry that is named.
type Records = (&'static [(&'static str, &'static str)], &'static str, &'static str);

const RECORDS: &[Records] = &[
    (&[("path", "a"), ("path", "b")], "pax_duplicate", PAX),
    (&[("path", "a"), ("path", "../outside")], "pax_duplicate", PAX),
    (&[("linkpath", "a"), ("linkpath", "b")], "pax_duplicate", PAX),
    (&[("size", "1"), ("size", "0")], "pax_duplicate", PAX),
    (&[("comment", "a"), ("comment", "b")], "pax_duplicate", PAX),
    (&[("size", "2")], "pax_size", "file"),
    (&[("size", "0")], "pax_size", "file"),
    (&[("size", "512")], "pax_size", "file"),
    (&[("size", "18446744073709551615")], "pax_size", "file"),
    (&[("size", "18446744073709551617")], "pax_malformed", PAX),
    (&[("size", "-1")], "pax_malformed", PAX),
    (&[("size", "+1")], "pax_malformed", PAX),
    (&[("size", "0x1")], "pax_malformed", PAX),
    (&[("size", " 1")], "pax_malformed", PAX),
    (&[("size", "")], "pax_malformed", PAX),
    (&[("path", "")], "pax_malformed", PAX),
    (&[("linkpath", "")], "pax_malformed", PAX),
    (&[("uid", "root")], "pax_malformed", PAX),
    (&[("mtime", "soon")], "pax_malformed", PAX),
    (&[("hdrcharset", "BINARY")], "pax_unknown", PAX),
    (&[("uid", "9999999999999999999")], "pax_malformed", PAX),
    (&[("nonsense", "1")], "pax_unknown", PAX),
    (&[("GNU.dumpdir", "Yx")], "pax_unknown", PAX),
    (&[("GNU.volume.filename", "x")], "pax_unknown", PAX),
    (&[("SUN.holesdata", "0 1")], "pax_unknown", PAX),
    (&[("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "1")], "sparse", PAX),
    (&[("GNU.sparse.map", "0,1"), ("GNU.sparse.name", "../outside")], "sparse", PAX),
    (&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")], "sparse", PAX),
    (&[("GNU.sparse.realsize", "1099511627776")], "sparse", PAX),
    (&[("SCHILY.realsize", "1099511627776")], "sparse", PAX),
];

/// Bytes that are no records.
const MALFORMED: &[&[u8]] = &[
    b"x",
    b"\n",
    b"path=a\n",
    b"10 path=a",
    b"8 path=a\n",
    b"11 path=a\n",
    b"99 path=a\n",
    b"0 path=a\n",
    b"-10 path=a\n",
    b"+10 path=a\n",
    b"10\tpath=a\n",
    b"0x0A path=a\n",
    b"99999999999999999999 path=a\n",
    b"5 =a\n",
    b"8 path\n\n",
    b"10 path=a\n\0\0",
    b"10 pa\0h=a\n",
    b"10 p th=a\n",
];

/// What a global header may not say.
const GLOBAL: &[(&str, &str)] = &[
    ("path", "../outside"),
    ("linkpath", "../outside"),
    ("size", "1099511627776"),
    ("mtime", "0"),
    ("GNU.sparse.major", "1"),
    ("GNU.volume.offset", "512"),
    ("SCHILY.realsize", "1099511627776"),
    ("nonsense", "1"),
];

pub(super) fn add(family: &mut Family) {
    for (records, rule, entry) in RECORDS {
        let tar = Tar::new().pax(records).file("file", b"x");
        family.tar(&format!("PAX records {records:?}"), &tar, rule, entry);
    }
    for bytes in MALFORMED {
        let tar = Tar::new().pax_raw(bytes).file("file", b"x");
        family.tar(&format!("the PAX data {}", bytes.escape_ascii()), &tar, "pax_malformed", PAX);
    }
    for record in GLOBAL {
        let tar = Tar::new().pax_global(&[*record]).file("file", b"x");
        family.tar(&format!("a global {record:?}"), &tar, "pax_global", "pax_global_header");
    }
    add_repeated(family);
    add_oversized(family);
    add_misplaced(family);
}

fn add_repeated(family: &mut Family) {
    let file = |tar: Tar| tar.file("file", b"");
    let link = |tar: Tar| tar.symlink("link", "file");
    let path = [("path", "b")];
    let target = [("linkpath", "b")];
    let long = || Tar::new().long_name(b"a");
    let cases = [
        ("two long names", file(long().long_name(b"b")), "extension_repeated", LONG),
        (
            "two long targets",
            link(Tar::new().long_link(b"a").long_link(b"b")),
            "extension_repeated",
            LONG,
        ),
        ("two PAX headers", file(Tar::new().pax(&[]).pax(&path)), "extension_repeated", PAX),
        (
            "two PAX headers around a global one",
            file(Tar::new().pax(&path).pax_global(&[]).pax(&path)),
            "extension_repeated",
            PAX,
        ),
        ("a name by GNU, then by PAX", file(long().pax(&path)), "extension_ambiguous", "file"),
        (
            "a name by PAX, then by GNU",
            file(Tar::new().pax(&path).long_name(b"a")),
            "extension_ambiguous",
            "file",
        ),
        (
            "a target by GNU, then by PAX",
            link(Tar::new().long_link(b"a").pax(&target)),
            "extension_ambiguous",
            "link",
        ),
    ];
    for (what, tar, rule, entry) in cases {
        family.tar(what, &tar, rule, entry);
    }
    let cases = [("a long name", long()), ("PAX records", Tar::new().pax(&path))];
    for (what, tar) in cases {
        let tar = Tar::new().file("file", b"").raw(tar.bytes()).end();
        family.whole(&format!("{what} for nothing"), &tar, "extension_dangling", None);
    }
}

fn add_oversized(family: &mut Family) {
    let big = vec![b'n'; (64 << 10) + 1];
    let comment = pax_record("comment", &big);
    let many: Vec<u8> = (0..300).flat_map(|n| pax_record(&format!("SCHILY.{n}"), "x")).collect();
    let promise = |kind: u8| {
        let header = Header::new(kind, LONG).gnu().size(4 << 30);
        Tar::new().entry(&header, &[b'n'; 5120])
    };
    let global = Header::new(kind::PAX_GLOBAL, "pax_global_header").size(comment.len() as u64);
    let cases = [
        ("a long name of 64 KiB", Tar::new().long_name(&big), LONG),
        ("a long target of 64 KiB", Tar::new().long_link(&big), LONG),
        ("a long name of 4 GiB", promise(kind::LONG_NAME), LONG),
        ("a long target of 4 GiB", promise(kind::LONG_LINK), LONG),
        ("PAX records of 4 GiB", promise(kind::PAX), LONG),
        ("a PAX record of 64 KiB", Tar::new().pax_raw(&comment), PAX),
        ("300 PAX records", Tar::new().pax_raw(&many), PAX),
        ("a global header of 64 KiB", Tar::new().entry(&global, &comment), "pax_global_header"),
    ];
    for (what, tar, entry) in cases {
        family.tar(what, &tar.file("file", b""), "header_bytes", entry);
    }
    let loops = (0..501).fold(Tar::new(), |tar, _| tar.pax_global(&[("comment", "again")]));
    family.tar("global headers without end", &loops, "entries", "pax_global_header");
}

fn add_misplaced(family: &mut Family) {
    for kind in [kind::LONG_NAME, kind::LONG_LINK, kind::PAX, kind::PAX_GLOBAL] {
        let header = Header::new(kind, "old").v7().size(2);
        let tar = Tar::new().entry(&header, b"a\0").file("file", b"");
        let what = format!("an extension of type {:?} before POSIX", char::from(kind));
        family.tar(&what, &tar, "header_magic", "old");
    }
    // Readers that apply the size to the next header, whatever it is, lose their place: what is
    // content to one is an entry to the other.
    let hidden = Tar::new().file("../outside", b"x");
    let tar = Tar::new()
        .pax(&[("size", "1024")])
        .long_name(b"renamed")
        .entry(&Header::new(kind::FILE, "file").gnu().size(0), b"")
        .raw(hidden.bytes());
    family.tar("a PAX size before a long name", &tar, "pax_size", "renamed");
    let tar = Tar::new()
        .pax(&[("size", "0")])
        .entry(&Header::new(kind::FILE, "file").size(1024), hidden.bytes());
    family.tar("a PAX size that uncovers content", &tar, "pax_size", "file");
    let directory = Header::new(kind::DIRECTORY, "odd");
    let tar = Tar::new().pax(&[("size", "1024")]).entry(&directory, b"").raw(hidden.bytes());
    family.tar("a PAX size for a directory", &tar, "unexpected_data", "odd");
    let big = Header::new(kind::FILE, "file").size(0);
    let tar = Tar::new().pax(&[("size", "18446744073709551615")]).entry(&big, b"");
    family.tar("a PAX size without bounds", &tar, "unpacked_bytes", "file");
    let tar = Tar::new().written(Format::Pax, kind::DIRECTORY, b"../outside/", b"");
    family.tar("a directory renamed by PAX", &tar, "path_parent", "../outside/");
}
