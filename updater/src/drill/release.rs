//! The releases that a drill installs: a few lines each, that need nothing but a shell.

use std::io;

use protocol::Digest;
use sha2::{Digest as _, Sha256};

/// Stays until it is told to go.
const AGENT: &str = "#!/bin/sh\nexec sleep 1000000\n";
/// Says that the agent is well.
const WELL: &str = "#!/bin/sh\nexit 0\n";
/// Says that it is not.
const ILL: &str = "#!/bin/sh\necho 'this release is a bad one, as it should be'\nexit 1\n";

#[derive(Debug)]
pub(super) struct Release {
    pub(super) digest: Digest,
    pub(super) archive: Vec<u8>,
}

impl Release {
    /// One that is unlike all others of another number, and can be proven if it is `good`.
    pub(super) fn pack(number: u32, good: bool) -> io::Result<Self> {
        let mut tar = tar::Builder::new(Vec::new());
        let number = number.to_string();
        let files = [
            ("agent", AGENT, 0o755),
            ("number", &number, 0o644),
            ("probe", if good { WELL } else { ILL }, 0o755),
        ];
        for (name, content, mode) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(mode);
            tar.append_data(&mut header, name, content.as_bytes())?;
        }
        let archive = zstd::encode_all(tar.into_inner()?.as_slice(), 1)?;
        Ok(Self { digest: digest_of(&archive), archive })
    }
}

/// The digest of an archive.
pub(super) fn digest_of(archive: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(archive).into())
}
