//! How a file begins, by which it is known what it is.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

use crate::pack::secrets::{looks_secret, may_hold_a_key};

/// What is read of every file.
const HEAD: u64 = 4096;
/// What is read of one that begins as a key or a certificate.
const KEYS: u64 = 256 << 10;

/// The first bytes of a file, or all of it. Never waits, and follows no link.
pub(super) fn head(place: &Path) -> io::Result<Vec<u8>> {
    first(place, HEAD)
}

/// Whether it is a private key or a database; `head` is how it begins.
pub(super) fn holds_secret(place: &Path, head: &[u8]) -> io::Result<bool> {
    Ok(looks_secret(head) || (may_hold_a_key(head) && looks_secret(&first(place, KEYS)?)))
}

fn first(place: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(place)?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
