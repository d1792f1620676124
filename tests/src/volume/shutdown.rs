//! `FS_IOC_SHUTDOWN`: a file system that stops where it is, as if the power had gone.
#![expect(unsafe_code, reason = "an ioctl has no safe form")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// What is in memory alone is lost, the log too.
const NO_LOG_FLUSH: u32 = 2;

nix::ioctl_read!(fs_ioc_shutdown, b'X', 125, u32);

/// Cuts the power of the file system that an open directory is on.
pub(super) fn shut_down(directory: &File) -> io::Result<()> {
    let mut flags = NO_LOG_FLUSH;
    // SAFETY: the kernel reads one number, which lives until the call returns.
    unsafe { fs_ioc_shutdown(directory.as_raw_fd(), &raw mut flags) }?;
    Ok(())
}
