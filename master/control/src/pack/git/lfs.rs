//! Files that Git LFS keeps elsewhere: git has a pointer, and the disk what it points to.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use crate::interrupt::CancelToken;
use crate::pack::PackError;

const READ: usize = 128 * 1024;

/// Whether `object` is the pointer to what the file holds, so that the file is as the commit says.
pub(super) fn is_content_of(
    place: &Path,
    object: &str,
    cancel: &CancelToken,
) -> Result<bool, PackError> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match File::options().read(true).custom_flags(flags).open(place) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(PackError::read(place)(error)),
    };
    if !file.metadata().map_err(PackError::read(place))?.is_file() {
        return Ok(false);
    }
    let pointer = pointer(file, cancel)?.map_err(PackError::read(place))?;
    let blob = [format!("blob {}\0", pointer.len()).as_bytes(), pointer.as_bytes()].concat();
    let algorithm = if object.len() == 40 { &SHA1_FOR_LEGACY_USE_ONLY } else { &SHA256 };
    Ok(hex::encode(digest(algorithm, &blob)) == object)
}

/// The pointer to a content, as <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md> has it.
fn pointer(mut content: impl Read, cancel: &CancelToken) -> Result<io::Result<String>, PackError> {
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; READ];
    let mut size = 0;
    loop {
        cancel.check()?;
        match content.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    let oid = hex::encode(hash.finish());
    Ok(Ok(format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")))
}
