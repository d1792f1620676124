//! What is packed here, the updater's own reader takes, and GNU tar and bsdtar read the same from it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use ::archive::{UnpackLimits, unpack};
use bytes::Bytes;
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::archive::Archive;
use super::item::Stamp;
use crate::interrupt::undisturbed;

/// What an archive is to have: by its path a file's text, or a link's target.
type Entries = BTreeMap<String, Result<String, String>>;

/// Names by which all readers must come to the same: just around what each form of header holds.
fn odd() -> Entries {
    let mut entries = Entries::new();
    let long = |length: usize, letter: &str| letter.repeat(length / letter.len());
    for length in [1, 98, 99, 100, 101, 154, 155, 156, 254, 255] {
        entries.insert(long(length, "n"), Ok(format!("of {length}")));
        entries.insert(format!("links/{length}"), Err(long(length, "t")));
    }
    entries.insert(format!("é{}", long(198, "ö")), Ok("UTF-8".to_owned()));
    entries.insert("empty".to_owned(), Ok(String::new()));
    for length in [255, 256, 257, 512, 1000, 1023, 1024] {
        entries.insert(path_of(length, "d"), Ok(format!("of {length}")));
        entries.insert(format!("targets/{length}"), Err(path_of(length, "t")));
    }
    for length in [510, 511, 512, 513, 128 * 1024] {
        entries.insert(format!("texts/{length}"), Ok("x".repeat(length)));
    }
    entries
}

/// A path of so many bytes, in parts of 200 and what is left.
fn path_of(length: usize, letter: &str) -> String {
    let mut path = String::new();
    while path.len() + 201 < length {
        path.push_str(&letter.repeat(200));
        path.push('/');
    }
    path.push_str(&letter.repeat(length - path.len()));
    path
}

fn write(entries: &Entries, place: &Path, output: &Path) {
    let source = place.join("source");
    undisturbed(|cancel| {
        let mut archive = Archive::create(output, 1_700_000_000, cancel)?;
        for (path, content) in entries {
            match content {
                Ok(text) => {
                    fs::write(&source, text).unwrap();
                    let stamp = Stamp::of(&source.metadata().unwrap());
                    archive.file(path, &source, false, &stamp)?;
                }
                Err(target) => archive.link(path, target)?,
            }
        }
        archive.finish().map(drop)
    })
    .unwrap();
}

fn found(directory: &Path, entries: &Entries) {
    for (path, content) in entries {
        let place = directory.join(path);
        match content {
            Ok(text) => assert_eq!(&fs::read_to_string(place).unwrap(), text, "{path}"),
            Err(target) => assert_eq!(fs::read_link(place).unwrap(), Path::new(target), "{path}"),
        }
    }
}

fn unpacked(archive: &Path, directory: &Path) {
    let bytes = Bytes::from(fs::read(archive).unwrap());
    let limits = UnpackLimits {
        archive_bytes: 1 << 30,
        unpacked_bytes: 1 << 30,
        entries: 100_000,
        path_parts: protocol::PATH_PARTS,
    };
    unpack([Ok(bytes)].into_iter(), directory, &limits, &[], &|_| {}).unwrap();
}

#[test]
fn every_odd_name_is_taken_by_every_reader() {
    let place = tempfile::tempdir().unwrap();
    let (entries, output) = (odd(), place.path().join("x.tar.gz"));
    write(&entries, place.path(), &output);
    let directory = |name: &str| {
        let directory = place.path().join(name);
        fs::create_dir(&directory).unwrap();
        directory
    };
    let ours = directory("ours");
    unpacked(&output, &ours);
    found(&ours, &entries);
    for program in ["tar", "bsdtar"] {
        let theirs = directory(program);
        let mut command = Command::new(program);
        command.arg("-xzf").arg(&output).arg("-C").arg(&theirs);
        assert!(command.status().unwrap().success(), "{program}");
        found(&theirs, &entries);
    }
}

#[test]
fn a_file_of_8_gib_has_a_size_that_every_reader_takes() {
    let place = tempfile::tempdir().unwrap();
    for size in [(8 << 30) - 1, 8 << 30, (8 << 30) + 1_u64] {
        let mut header = Header::new_ustar();
        header.set_path("large").unwrap();
        undisturbed(|cancel| {
            let archive = Archive::create(&place.path().join("x.tar.zst"), 0, cancel)?;
            archive.fill(&mut header, EntryType::Regular, 0o644, size).unwrap();
            Ok::<_, super::PackError>(())
        })
        .unwrap();
        // A file system keeps no zeros, and these readers pass over them.
        let path = place.path().join("large.tar");
        let mut file = File::create(&path).unwrap();
        file.write_all(header.as_bytes()).unwrap();
        file.seek(SeekFrom::Start(512 + size.next_multiple_of(512) + 1023)).unwrap();
        file.write_all(&[0]).unwrap();
        for program in ["tar", "bsdtar"] {
            let said = Command::new(program).arg("-tvf").arg(&path).output().unwrap();
            let text = String::from_utf8(said.stdout).unwrap();
            assert!(said.status.success() && text.contains(&size.to_string()), "{program}: {text}");
        }
        // The updater's reader knows both forms, and no other.
        let field = &header.as_bytes()[124..136];
        let mut binary = [0; 12];
        binary[0] = 0x80;
        binary[4..].copy_from_slice(&size.to_be_bytes());
        let octal = format!("{size:011o}\0");
        assert!(field == binary || field == octal.as_bytes(), "{size}: {field:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_packed_is_unpacked(
        paths in prop::collection::btree_map(
            prop::collection::vec("[a-zäß日 ._-]{1,80}", 1..8),
            prop_oneof![
                prop::collection::vec("[a-zäß日 -]{1,80}", 1..12).prop_map(|to| Err(to.join("/"))),
                "[a-z\n]{0,600}".prop_map(Ok),
            ],
            1..12,
        )
    ) {
        let mut entries = Entries::new();
        for (number, (parts, content)) in paths.into_iter().enumerate() {
            // Each below a directory of its own, so that none stands in another's way.
            let path = format!("{number}/{}", parts.join("/"));
            let item = match &content {
                Ok(_) => super::item::Item::File { executable: false, stamp: Stamp::default() },
                Err(target) => super::item::Item::Link(target.clone()),
            };
            let one = BTreeMap::from([(path.clone(), item)]);
            // What no updater takes is refused before it is packed.
            if undisturbed(|cancel| super::names::check(&one, Vec::new(), cancel)).is_ok() {
                entries.insert(path, content);
            }
        }
        if !entries.is_empty() {
            let place = tempfile::tempdir().unwrap();
            let output = place.path().join("x.tar.zst");
            write(&entries, place.path(), &output);
            let directory = place.path().join("out");
            fs::create_dir(&directory).unwrap();
            unpacked(&output, &directory);
            found(&directory, &entries);
        }
    }
}
