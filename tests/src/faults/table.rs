//! The calls that are asked about, and where each says what it is about.

use nix::libc::{self, c_long};

use super::call::Act;
use super::call::Place::{self, At, File, Path};

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) number: c_long,
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) place: Place,
    /// What it does; opening may be making too.
    pub(super) act: Act,
}

const fn entry(number: c_long, name: &'static str, place: Place, act: Act) -> Entry {
    Entry { number, name, place, act }
}

/// The entry of a call's number.
pub(super) fn find(number: i64) -> Option<&'static Entry> {
    TABLE.iter().chain(OLD).find(|entry| entry.number == number)
}

/// The numbers of them all.
pub(super) fn numbers() -> Vec<i64> {
    TABLE.iter().chain(OLD).map(|entry| entry.number).collect()
}

const TABLE: &[Entry] = &[
    entry(libc::SYS_openat, "openat", At(0, 1), Act::Open),
    entry(libc::SYS_openat2, "openat2", At(0, 1), Act::Open),
    entry(libc::SYS_read, "read", File(0), Act::Read),
    entry(libc::SYS_pread64, "pread64", File(0), Act::Read),
    entry(libc::SYS_getdents64, "getdents64", File(0), Act::Read),
    entry(libc::SYS_statx, "statx", At(0, 1), Act::Read),
    entry(libc::SYS_readlinkat, "readlinkat", At(0, 1), Act::Read),
    entry(libc::SYS_write, "write", File(0), Act::Write),
    entry(libc::SYS_pwrite64, "pwrite64", File(0), Act::Write),
    entry(libc::SYS_writev, "writev", File(0), Act::Write),
    entry(libc::SYS_copy_file_range, "copy_file_range", File(2), Act::Change),
    entry(libc::SYS_sendfile, "sendfile", File(0), Act::Change),
    entry(libc::SYS_ftruncate, "ftruncate", File(0), Act::Change),
    entry(libc::SYS_fallocate, "fallocate", File(0), Act::Change),
    entry(libc::SYS_fsync, "fsync", File(0), Act::Sync),
    entry(libc::SYS_fdatasync, "fdatasync", File(0), Act::Sync),
    entry(libc::SYS_syncfs, "syncfs", File(0), Act::Sync),
    entry(libc::SYS_mkdirat, "mkdirat", At(0, 1), Act::Change),
    entry(libc::SYS_symlinkat, "symlinkat", At(1, 2), Act::Change),
    entry(libc::SYS_linkat, "linkat", At(2, 3), Act::Change),
    entry(libc::SYS_unlinkat, "unlinkat", At(0, 1), Act::Change),
    entry(libc::SYS_renameat2, "renameat2", At(2, 3), Act::Change),
    entry(libc::SYS_fchmod, "fchmod", File(0), Act::Change),
    entry(libc::SYS_fchmodat, "fchmodat", At(0, 1), Act::Change),
    entry(libc::SYS_fchown, "fchown", File(0), Act::Change),
    entry(libc::SYS_fchownat, "fchownat", At(0, 1), Act::Change),
    entry(libc::SYS_utimensat, "utimensat", At(0, 1), Act::Change),
];

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLD: &[Entry] = &[
    entry(libc::SYS_open, "open", Path(0), Act::Open),
    entry(libc::SYS_newfstatat, "newfstatat", At(0, 1), Act::Read),
    entry(libc::SYS_stat, "stat", Path(0), Act::Read),
    entry(libc::SYS_lstat, "lstat", Path(0), Act::Read),
    entry(libc::SYS_readlink, "readlink", Path(0), Act::Read),
    entry(libc::SYS_mkdir, "mkdir", Path(0), Act::Change),
    entry(libc::SYS_rmdir, "rmdir", Path(0), Act::Change),
    entry(libc::SYS_symlink, "symlink", Path(1), Act::Change),
    entry(libc::SYS_link, "link", Path(1), Act::Change),
    entry(libc::SYS_unlink, "unlink", Path(0), Act::Change),
    entry(libc::SYS_rename, "rename", Path(1), Act::Change),
    entry(libc::SYS_renameat, "renameat", At(2, 3), Act::Change),
    entry(libc::SYS_chmod, "chmod", Path(0), Act::Change),
    entry(libc::SYS_chown, "chown", Path(0), Act::Change),
    entry(libc::SYS_lchown, "lchown", Path(0), Act::Change),
];

/// Those that only older architectures have.
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[Entry] = &[entry(libc::SYS_renameat, "renameat", At(2, 3), Act::Change)];
