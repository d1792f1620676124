//! What a release says of itself, read by the rules of the hosts.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use archive::ManifestText;
use bytes::Bytes;
use protocol::{ManifestRead, ReleaseManifest};

use crate::interrupt::CancelToken;
use crate::pack::PackError;

const READ: usize = 128 * 1024;

/// What a tree says of itself.
#[derive(Default)]
pub(super) struct OfTree {
    pub(super) manifest: ReleaseManifest,
    /// In which file it is; `None` where there is none.
    pub(super) file: Option<&'static str>,
    /// The keys of a `release.toml` that is another tool's.
    pub(super) others: Vec<String>,
}

/// What a tree says of itself; nothing is said where there is no such file.
pub(super) fn of_tree(root: &Path) -> Result<OfTree, PackError> {
    // A root that is named by a link is where the link leads.
    let directory = root.canonicalize().map_err(PackError::read(root))?;
    let found = archive::manifest_of_tree(&directory).map_err(|error| PackError::ManifestFile {
        path: root.join(error.file),
        source: error.source,
    })?;
    let Some(found) = found else { return Ok(OfTree::default()) };
    let file = found.file;
    Ok(match read(&root.join(file), &found)? {
        ManifestRead::OfAnotherTool(others) => OfTree { others, ..OfTree::default() },
        read @ ManifestRead::Ours(_) => {
            OfTree { manifest: read.manifest(), file: Some(file), others: Vec::new() }
        }
    })
}

/// Whether a tree says that it is a release. One that cannot be read does: what is wrong is told when it is
/// packed.
pub fn says_it_is_a_release(root: &Path) -> bool {
    of_tree(root).map_or(true, |found| found.file.is_some())
}

/// What an archive says of itself. Only so much is read as there is before it.
pub fn manifest_in(path: &Path, cancel: &CancelToken) -> Result<ReleaseManifest, PackError> {
    let text = archive::manifest_of_archive(|| chunks(path, cancel));
    cancel.check()?;
    let text =
        text.map_err(|source| PackError::Archive { path: path.to_owned(), source: source.into() })?;
    let found = text.map(|found| read(path, &found)).transpose()?;
    Ok(found.map(ManifestRead::manifest).unwrap_or_default())
}

/// Whether an archive says nothing of its release's start, and is more than files alone. What cannot be read
/// says nothing: its hosts will say why.
pub fn needs_command(path: &Path, cancel: &CancelToken) -> Result<bool, PackError> {
    let Ok(manifest) = manifest_in(path, cancel) else {
        return Ok(cancel.check().map(|()| false)?);
    };
    if !manifest.says_nothing_of_its_start() {
        return Ok(false);
    }
    let chunks = chunks(path, cancel).map_err(PackError::read(path))?;
    let outline = archive::outline_of_archive(chunks);
    cancel.check()?;
    Ok(outline.is_ok_and(|outline| {
        !manifest.is_files_alone(outline.executables, |name| outline.root.contains(name))
    }))
}

fn read(path: &Path, found: &ManifestText) -> Result<ManifestRead, PackError> {
    let read = ReleaseManifest::read(found.file, &found.text);
    read.map_err(|fault| PackError::Manifest { path: path.to_owned(), fault })
}

fn chunks<'a>(
    path: &Path,
    cancel: &'a CancelToken,
) -> io::Result<impl Iterator<Item = io::Result<Bytes>> + use<'a>> {
    let mut file = File::open(path)?;
    Ok(std::iter::from_fn(move || {
        let mut chunk = vec![0; READ];
        let read = match cancel.check() {
            Ok(()) => file.read(&mut chunk),
            Err(cancelled) => Err(io::Error::other(cancelled)),
        };
        match read {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some(Ok(chunk.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::undisturbed;

    /// Packs a `notes` and then what `add` adds.
    fn with(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Result<ReleaseManifest, PackError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.zst");
        let mut archive = tar::Builder::new(Vec::new());
        file(&mut archive, "notes", "version = 'notes'");
        add(&mut archive);
        file(&mut archive, "z", "x");
        let bytes = zstd::encode_all(archive.into_inner().unwrap().as_slice(), 1).unwrap();
        std::fs::write(&path, bytes).unwrap();
        undisturbed(|cancel| manifest_in(&path, cancel))
    }

    fn file(archive: &mut tar::Builder<Vec<u8>>, name: &str, text: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }

    fn raw(archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, data: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        header.set_cksum();
        archive.append(&header, data.as_bytes()).unwrap();
    }

    #[test]
    fn what_a_release_says_of_itself_is_found_in_its_archive() {
        let version = |found: Result<ReleaseManifest, _>| found.unwrap().version;
        for name in ["release.toml", "./release.toml"] {
            let found = version(with(|archive| file(archive, name, "version = '1'")));
            assert_eq!(found.as_deref(), Some("1"), "{name}");
        }
        assert_eq!(version(with(|archive| file(archive, "other.toml", "version = '1'"))), None);
        let bad = with(|archive| file(archive, "release.toml", "versoin = '1'"));
        assert!(matches!(bad, Err(PackError::Manifest { .. })));
        let foreign = with(|archive| file(archive, "release.toml", "allow-branch = ['main']"));
        assert_eq!(foreign.unwrap(), ReleaseManifest::default());
        // The one that is ours alone counts, wherever it stands.
        let both = |first: &'static str, second: &'static str| {
            with(move |archive| {
                for name in [first, second] {
                    file(archive, name, &format!("version = '{name}'"));
                }
            })
        };
        for (first, second) in
            [("release.toml", "swarm-release.toml"), ("swarm-release.toml", "release.toml")]
        {
            assert_eq!(version(both(first, second)).as_deref(), Some("swarm-release.toml"));
        }
    }

    #[test]
    fn names_that_extended_headers_give_are_the_ones_that_count() {
        let version = |found: Result<ReleaseManifest, _>| found.unwrap().version;
        // The other way round too: a header that says release.toml, and is called otherwise.
        for (said, given) in [("notes.txt", "release.toml"), ("release.toml", "decoy")] {
            let expected = (given == "release.toml").then_some("1");
            let pax = with(|archive| {
                archive.append_pax_extensions([("path", given.as_bytes())]).unwrap();
                file(archive, said, "version = '1'");
            });
            // The crate's own PAX header has no mode, which no host takes.
            assert!(matches!(pax, Err(PackError::Archive { .. })), "{given}");
            let pax = with(|archive| {
                let record = format!(" path={given}\n");
                let length = record.len() + 2;
                raw(archive, tar::EntryType::XHeader, &format!("{length}{record}"));
                file(archive, said, "version = '1'");
            });
            assert_eq!(version(pax).as_deref(), expected, "{given}");
            let long = with(|archive| {
                raw(archive, tar::EntryType::GNULongName, &format!("{given}\0"));
                file(archive, said, "version = '1'");
            });
            assert_eq!(version(long).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn a_link_in_its_place_is_read_as_a_host_reads_it() {
        let link = |kind, target: &str| {
            with(|archive| {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(kind);
                header.set_mode(0o644);
                header.set_size(0);
                archive.append_link(&mut header, "release.toml", target).unwrap();
            })
        };
        let copy = link(tar::EntryType::Link, "notes").unwrap();
        assert_eq!(copy.version.as_deref(), Some("notes"));
        for target in ["notes", "/etc/passwd"] {
            let refused = link(tar::EntryType::Symlink, target);
            assert!(matches!(refused, Err(PackError::Archive { .. })), "{target}");
        }
        let lost = link(tar::EntryType::Link, "nothing");
        assert!(matches!(lost, Err(PackError::Archive { .. })));
        let long = with(|archive| file(archive, "release.toml", &"#".repeat(70_000)));
        assert!(matches!(long, Err(PackError::Archive { .. })));
    }

    #[test]
    fn what_is_no_archive_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.tar.zst");
        for bytes in [&b"no archive"[..], b"", b"\x28\xb5\x2f\xfd"] {
            std::fs::write(&path, bytes).unwrap();
            let bad = undisturbed(|cancel| manifest_in(&path, cancel));
            assert!(matches!(bad, Err(PackError::Archive { .. })));
        }
    }
}
