//! The calls that are asked about, and where each says what it is about.

use nix::libc::{self, c_long};

use super::call::Effect;
use super::call::Subject::{self, At, File, Path};

#[derive(Debug, Clone, Copy)]
pub(super) struct SystemCall {
    pub(super) number: c_long,
    pub(super) name: &'static str,
    /// What it is about.
    pub(super) subject: Subject,
    /// What it does; opening may be making too.
    pub(super) act: Effect,
}

const fn system_call(
    number: c_long,
    name: &'static str,
    subject: Subject,
    act: Effect,
) -> SystemCall {
    SystemCall { number, name, subject, act }
}

/// What is known of a call by its number.
pub(super) fn find(number: i64) -> Option<&'static SystemCall> {
    TABLE.iter().chain(OLD).find(|system_call| system_call.number == number)
}

/// The numbers of them all.
pub(super) fn numbers() -> Vec<i64> {
    TABLE.iter().chain(OLD).map(|system_call| system_call.number).collect()
}

const TABLE: &[SystemCall] = &[
    system_call(libc::SYS_openat, "openat", At(0, 1), Effect::Open),
    system_call(libc::SYS_openat2, "openat2", At(0, 1), Effect::Open),
    system_call(libc::SYS_read, "read", File(0), Effect::Read),
    system_call(libc::SYS_pread64, "pread64", File(0), Effect::Read),
    system_call(libc::SYS_getdents64, "getdents64", File(0), Effect::Read),
    system_call(libc::SYS_statx, "statx", At(0, 1), Effect::Read),
    system_call(libc::SYS_readlinkat, "readlinkat", At(0, 1), Effect::Read),
    system_call(libc::SYS_write, "write", File(0), Effect::Write),
    system_call(libc::SYS_pwrite64, "pwrite64", File(0), Effect::Write),
    system_call(libc::SYS_writev, "writev", File(0), Effect::Write),
    system_call(libc::SYS_copy_file_range, "copy_file_range", File(2), Effect::Change),
    system_call(libc::SYS_sendfile, "sendfile", File(0), Effect::Change),
    system_call(libc::SYS_ftruncate, "ftruncate", File(0), Effect::Change),
    system_call(libc::SYS_fallocate, "fallocate", File(0), Effect::Change),
    system_call(libc::SYS_fsync, "fsync", File(0), Effect::Sync),
    system_call(libc::SYS_fdatasync, "fdatasync", File(0), Effect::Sync),
    system_call(libc::SYS_syncfs, "syncfs", File(0), Effect::Sync),
    system_call(libc::SYS_mkdirat, "mkdirat", At(0, 1), Effect::Change),
    system_call(libc::SYS_symlinkat, "symlinkat", At(1, 2), Effect::Change),
    system_call(libc::SYS_linkat, "linkat", At(2, 3), Effect::Change),
    system_call(libc::SYS_unlinkat, "unlinkat", At(0, 1), Effect::Change),
    system_call(libc::SYS_renameat2, "renameat2", At(2, 3), Effect::Change),
    system_call(libc::SYS_fchmod, "fchmod", File(0), Effect::Change),
    system_call(libc::SYS_fchmodat, "fchmodat", At(0, 1), Effect::Change),
    system_call(libc::SYS_fchown, "fchown", File(0), Effect::Change),
    system_call(libc::SYS_fchownat, "fchownat", At(0, 1), Effect::Change),
    system_call(libc::SYS_utimensat, "utimensat", At(0, 1), Effect::Change),
];

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLD: &[SystemCall] = &[
    system_call(libc::SYS_open, "open", Path(0), Effect::Open),
    system_call(libc::SYS_newfstatat, "newfstatat", At(0, 1), Effect::Read),
    system_call(libc::SYS_stat, "stat", Path(0), Effect::Read),
    system_call(libc::SYS_lstat, "lstat", Path(0), Effect::Read),
    system_call(libc::SYS_readlink, "readlink", Path(0), Effect::Read),
    system_call(libc::SYS_mkdir, "mkdir", Path(0), Effect::Change),
    system_call(libc::SYS_rmdir, "rmdir", Path(0), Effect::Change),
    system_call(libc::SYS_symlink, "symlink", Path(1), Effect::Change),
    system_call(libc::SYS_link, "link", Path(1), Effect::Change),
    system_call(libc::SYS_unlink, "unlink", Path(0), Effect::Change),
    system_call(libc::SYS_rename, "rename", Path(1), Effect::Change),
    system_call(libc::SYS_renameat, "renameat", At(2, 3), Effect::Change),
    system_call(libc::SYS_chmod, "chmod", Path(0), Effect::Change),
    system_call(libc::SYS_chown, "chown", Path(0), Effect::Change),
    system_call(libc::SYS_lchown, "lchown", Path(0), Effect::Change),
];

/// Those that only older architectures have.
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[SystemCall] = &[system_call(libc::SYS_renameat, "renameat", At(2, 3), Effect::Change)];
