//! Where the tests of the unpacking unpack to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use bytes::Bytes;

use crate::{Received, UnpackError, UnpackLimits, unpack};

pub(crate) const BOUNDS: UnpackLimits =
    UnpackLimits { archive_bytes: 1 << 20, unpacked_bytes: 4 << 20, entries: 100, path_parts: 40 };

/// A staging directory with something beside it that must stay as it is.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("staging")).unwrap();
        fs::write(root.path().join("secret"), "mine").unwrap();
        Self { root }
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.path().join("staging")
    }

    pub(crate) fn unpack(&self, archive: &[u8]) -> Result<Received, UnpackError> {
        self.unpack_within(archive, &BOUNDS)
    }

    pub(crate) fn unpack_within(
        &self,
        archive: &[u8],
        bounds: &UnpackLimits,
    ) -> Result<Received, UnpackError> {
        let chunks = archive.chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
        let reserved = ["data/".to_owned(), "etc/agent.conf".to_owned()];
        let result = unpack(chunks, &self.staging(), bounds, &reserved, &|_| {});
        assert_eq!(fs::read_to_string(self.root.path().join("secret")).unwrap(), "mine");
        assert_eq!(fs::read_dir(self.root.path()).unwrap().count(), 2);
        result
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.staging().join(name)).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::symlink_metadata(self.staging().join(name)).unwrap().permissions().mode() & 0o7777
    }
}
