//! Descriptors that a parent has passed on.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::unsafe_calls;

/// Takes over the descriptor that the variable `name` of the environment was to give the number of. It is
/// not passed on further. To be called once for each name.
pub fn adopt_descriptor(name: &str, number: Option<RawFd>) -> io::Result<OwnedFd> {
    let Some(number) = number.filter(|number| *number >= 3) else {
        return Err(io::Error::other(format!("{name} is not the number of a descriptor")));
    };
    adopt(number)
}

/// Takes over all that was passed on by `sd_listen_fds_with_names(3)`, with the names. To be called
/// once.
pub fn passed_descriptors() -> io::Result<Vec<(String, OwnedFd)>> {
    let passed = sd_notify::listen_fds_with_names()?;
    passed.map(|(number, name)| Ok((name, adopt(number)?))).collect()
}

fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    let descriptor = unsafe_calls::adopt(number)?;
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(descriptor)
}
