//! What a waiting call is about: its thread's name, and the paths in its memory.

use std::ffi::OsString;
use std::fs;
use std::io::IoSliceMut;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use super::call::Subject;
use super::seccomp::Notice;

/// Longer than any path here, and no longer than a page.
const PATH_BYTES: usize = 1024;
/// The smallest page that there is.
const PAGE_BYTES: usize = 4096;

/// The name of a thread.
pub(super) fn name(thread: i32) -> Option<String> {
    Some(fs::read_to_string(proc(thread, "comm")).ok()?.trim_end().to_owned())
}

/// A line of a thread's status.
pub(super) fn status(thread: i32, key: &str) -> Option<i32> {
    let text = fs::read_to_string(proc(thread, "status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

/// Whether a thread is of an updater that has this configuration.
pub(super) fn is_updater(thread: i32, config: &Path) -> bool {
    let line = fs::read(proc(thread, "cmdline")).unwrap_or_default();
    let mut words = line.split(|byte| *byte == 0);
    words.any(|word| word == b"--config")
        && words.next() == Some(config.as_os_str().as_encoded_bytes())
}

/// The absolute path of what a call is about.
pub(super) fn path_of(notice: &Notice, subject: Subject) -> Option<PathBuf> {
    match subject {
        Subject::File(index) => opened(notice.thread, number(notice.arguments[index])),
        Subject::Path(index) => {
            let path = text_at(notice.thread, notice.arguments[index])?;
            absolute(notice.thread, libc::AT_FDCWD, path)
        }
        Subject::At(directory, path) => {
            let path = text_at(notice.thread, notice.arguments[path]).unwrap_or_default();
            absolute(notice.thread, number(notice.arguments[directory]), path)
        }
    }
}

/// Eight bytes of a thread's memory.
pub(super) fn word_at(thread: i32, address: u64) -> Option<u64> {
    bytes_at(thread, address, 8)?.try_into().ok().map(u64::from_ne_bytes)
}

/// Bytes of a thread's memory.
pub(super) fn bytes_at(thread: i32, address: u64, length: usize) -> Option<Vec<u8>> {
    memory(thread, address, length).filter(|bytes| bytes.len() == length)
}

/// As many of these bytes as are there.
fn memory(thread: i32, address: u64, length: usize) -> Option<Vec<u8>> {
    let base = usize::try_from(address).ok()?;
    let first = length.min(PAGE_BYTES - base % PAGE_BYTES);
    // Each part is read whole or not at all, so they end where a page does.
    let parts = [(base, first), (base + first, length - first)]
        .map(|(base, len)| RemoteIoVec { base, len });
    let mut bytes = vec![0; length];
    let number =
        process_vm_readv(Pid::from_raw(thread), &mut [IoSliceMut::new(&mut bytes)], &parts).ok()?;
    bytes.truncate(number);
    Some(bytes)
}

/// A descriptor, as the kernel takes it: 32 bits of the argument.
pub(super) fn number(argument: u64) -> i32 {
    let [one, two, three, four, ..] = argument.to_le_bytes();
    i32::from_le_bytes([one, two, three, four])
}

fn absolute(thread: i32, directory: i32, path: PathBuf) -> Option<PathBuf> {
    if let Some(number) = path.strip_prefix("/proc/self/fd").ok().and_then(|rest| rest.to_str()) {
        return opened(thread, number.parse().ok()?);
    }
    if path.is_absolute() {
        return Some(path);
    }
    let base = match directory {
        libc::AT_FDCWD => fs::read_link(proc(thread, "cwd")).ok()?,
        _ => opened(thread, directory)?,
    };
    Some(if path.as_os_str().is_empty() { base } else { base.join(path) })
}

fn opened(thread: i32, descriptor: i32) -> Option<PathBuf> {
    fs::read_link(proc(thread, &format!("fd/{descriptor}"))).ok()
}

fn text_at(thread: i32, address: u64) -> Option<PathBuf> {
    let mut bytes = memory(thread, address, PATH_BYTES)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    Some(OsString::from_vec(bytes).into())
}

fn proc(thread: i32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{thread}/{file}"))
}
