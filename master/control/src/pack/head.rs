//! How a file begins, by which it is known what it is. No link is followed, and nothing waited for.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

/// What is read of every file.
const HEAD: u64 = 4096;

/// The first bytes of a file, or all of it.
pub(super) fn head(place: &Path) -> io::Result<Vec<u8>> {
    first(place, HEAD)
}

/// So many bytes of a file, or all of it.
pub(super) fn first(place: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_plain(place)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn open_plain(place: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    File::options().read(true).custom_flags(flags).open(place)
}
