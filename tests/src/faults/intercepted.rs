//! The program that puts itself under the filter and becomes the updater.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::{descriptor, seccomp, table};

/// The first argument of `crash` that asks for [`run_intercepted`].
pub const INTERCEPTED: &str = "watched";

/// Becomes the program of these words, whose calls then wait for whoever is at the other end of
/// this process's standard input.
///
/// # Errors
/// When the filter cannot be had, or the program cannot be started.
pub fn run_intercepted(mut words: impl Iterator<Item = OsString>) -> Result<()> {
    let program = words.next().context("find a program to watch")?;
    let socket: OwnedFd = std::io::stdin().as_fd().try_clone_to_owned()?;
    let listener = seccomp::install(&table::numbers()).context("install a seccomp filter")?;
    descriptor::send(&UnixStream::from(socket), &listener)?;
    drop(listener);
    Err(Command::new(program).args(words).stdin(Stdio::null()).exec().into())
}
