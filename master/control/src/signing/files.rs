//! The two files beside an archive: `FILE.manifest`, and `FILE.manifest.minisig`, as the `minisign`
//! tool names it.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use protocol::{Digest, SignedManifest};

use crate::signing::SigningError;

/// A manifest and its signature, as they go to the hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedFiles {
    pub manifest: Vec<u8>,
    pub signature: Vec<u8>,
}

impl SignedFiles {
    /// The files of an archive: those that were named, or those beside it, if there are any.
    /// A manifest of another archive is an error: no host would take it.
    pub fn of_archive(
        archive: &Path,
        named: Option<&Path>,
        digest: &Digest,
        bytes: u64,
    ) -> Result<Option<Self>, SigningError> {
        let manifest = match named {
            Some(named) => named.to_owned(),
            None => manifest_of(archive),
        };
        if named.is_none() && !manifest.exists() {
            return Ok(None);
        }
        let (files, read) = Self::read(&manifest)?;
        if read.digest != *digest || read.archive_bytes != bytes {
            return Err(SigningError::OtherArchive { archive: archive.to_owned(), manifest });
        }
        Ok(Some(files))
    }

    /// Writes both. Gives the signature's place.
    pub fn write(&self, manifest: &Path) -> Result<PathBuf, SigningError> {
        let signature = signature_of(manifest);
        write(manifest, &self.manifest)?;
        write(&signature, &self.signature)?;
        Ok(signature)
    }

    fn read(path: &Path) -> Result<(Self, SignedManifest), SigningError> {
        let failed = |source| SigningError::Read { path: path.to_owned(), source };
        let manifest = read_at_most(path, SignedManifest::MOST_BYTES)
            .map_err(failed)?
            .ok_or_else(too_long(path))?;
        let parsed = SignedManifest::parse(&manifest)
            .map_err(|source| SigningError::Manifest { path: path.to_owned(), source })?;
        let signature_path = signature_of(path);
        let signature = match read_at_most(&signature_path, SignedManifest::MOST_SIGNATURE_BYTES) {
            Ok(signature) => signature.ok_or_else(too_long(&signature_path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let manifest = path.to_owned();
                return Err(SigningError::NotSigned { manifest, signature: signature_path });
            }
            Err(source) => return Err(SigningError::Read { path: signature_path, source }),
        };
        Ok((Self { manifest, signature }, parsed))
    }
}

/// Where the manifest of an archive is looked for, and written to.
pub fn manifest_of(archive: &Path) -> PathBuf {
    with_suffix(archive, SignedManifest::SUFFIX)
}

/// Where the signature of a manifest is.
fn signature_of(manifest: &Path) -> PathBuf {
    with_suffix(manifest, SignedManifest::SIGNATURE_SUFFIX)
}

/// Writes a file of this room whole, over the one that was there.
fn write(path: &Path, bytes: &[u8]) -> Result<(), SigningError> {
    let failed = |source| SigningError::Write { path: path.to_owned(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".swarm-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent.unwrap_or(Path::new(".")))
        .map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// Writes a manifest that is to be signed elsewhere. The signature of the one that was there does not
/// hold for it, and goes first.
pub fn write_unsigned(manifest: &Path, text: &[u8]) -> Result<(), SigningError> {
    let signature = signature_of(manifest);
    match std::fs::remove_file(&signature) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(SigningError::Write { path: signature, source });
        }
        _ => {}
    }
    write(manifest, text)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// `None` if there is more.
fn read_at_most(path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= most).then_some(bytes))
}

fn too_long(path: &Path) -> impl FnOnce() -> SigningError {
    move || SigningError::TooLong(path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use time::macros::datetime;

    use super::*;

    const DIGEST: Digest = Digest::from_bytes([7; 32]);

    fn text() -> String {
        let manifest = SignedManifest {
            format: 1,
            app: "agent".parse().unwrap(),
            name: None,
            version: None,
            counter: 1,
            digest: DIGEST,
            archive_bytes: 10,
            unpacked_bytes: 20,
            entries: 1,
            not_after: datetime!(2026-01-02 03:04:05 UTC),
        };
        manifest.render().unwrap()
    }

    #[test]
    fn the_files_beside_an_archive_go_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("x.tar.zst");
        let find = |bytes| SignedFiles::of_archive(&archive, None, &DIGEST, bytes);
        assert_eq!(find(10).unwrap(), None);
        let manifest = directory.path().join("x.tar.zst.manifest");
        fs::write(&manifest, text()).unwrap();
        assert!(matches!(find(10), Err(SigningError::NotSigned { .. })));
        fs::write(directory.path().join("x.tar.zst.manifest.minisig"), "signature").unwrap();
        assert_eq!(find(10).unwrap().unwrap().signature, b"signature");
        assert!(matches!(find(11), Err(SigningError::OtherArchive { .. })));
        fs::write(&manifest, "x".repeat(5000)).unwrap();
        assert!(matches!(find(10), Err(SigningError::TooLong(_))));
        fs::write(&manifest, "app = 'agent'").unwrap();
        assert!(matches!(find(10), Err(SigningError::Manifest { .. })));
    }

    #[test]
    fn an_older_signature_does_not_stay_beside_a_new_manifest() {
        let directory = tempfile::tempdir().unwrap();
        let manifest = directory.path().join("x.tar.zst.manifest");
        let signature = directory.path().join("x.tar.zst.manifest.minisig");
        fs::write(&signature, "of another").unwrap();
        for _ in 0..2 {
            write_unsigned(&manifest, b"new").unwrap();
            assert!(!signature.exists());
        }
        assert_eq!(fs::read(&manifest).unwrap(), b"new");
    }

    #[test]
    fn a_manifest_that_was_named_has_to_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("x.tar.zst");
        let named = directory.path().join("elsewhere.manifest");
        let find = || SignedFiles::of_archive(&archive, Some(&named), &DIGEST, 10);
        assert!(matches!(find(), Err(SigningError::Read { .. })));
        fs::write(&named, text()).unwrap();
        fs::write(directory.path().join("elsewhere.manifest.minisig"), "signature").unwrap();
        assert!(find().unwrap().is_some());
    }
}
