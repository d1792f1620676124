//! Files and directories by the handle of the directory that they are in.
//!
//! Nothing here follows a symbolic link, and nothing leaves the directory whose handle it was
//! given: `openat2(2)` (Linux 5.6 or newer) sees to that in the kernel. Without it there is no
//! fallback: the call fails.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use protocol::Space;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, RenameFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use super::unsafe_calls;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Bytes of what `stat(2)` calls a block.
const BLOCK_BYTES: u64 = 512;
/// Bytes of the names of what is attached to a file, at most: `XATTR_LIST_MAX` of `linux/limits.h`.
const LIST_BYTES: usize = 64 << 10;
/// How often `openat2` is tried again after a rename elsewhere made it unsure (`EAGAIN`).
const ATTEMPTS: usize = 100;

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Link,
    /// A device, a FIFO or a socket.
    Special,
}

/// What the file system says of a directory entry, itself and not what it leads to.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    pub kind: Kind,
    /// The twelve permission bits.
    pub mode: u32,
    /// Bytes of a file.
    pub size: u64,
    /// How many names the inode has.
    pub links: u64,
    /// The inode, alone in its file system.
    pub inode: u64,
    /// Bytes that it takes on the disk.
    pub disk_bytes: u64,
    /// Nanoseconds since 1970 at which it was last read or written, as far as the file system notes that.
    pub last_used: i64,
}

/// Opens a directory by a path of ours; a link at its end is refused.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?)
}

/// Opens a directory at a relative path beneath another.
pub fn open_directory_at(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
) -> io::Result<OwnedFd> {
    open_beneath(directory.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

/// Opens a file for reading at a relative path beneath a directory. Never waits, not even at a
/// FIFO.
pub fn open_file_at(directory: impl AsFd, path: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(open_beneath(directory.as_fd(), path, flags, Mode::empty())?.into())
}

/// Reads a plain file of a directory that a release may have written: no link is followed,
/// nothing but a file is read, and none of more than `limit` bytes: what stands behind a bound must
/// count, or not be there.
pub fn read_plain(directory: &Path, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    read_open(open_file_at(open_directory(directory)?, name)?, name, limit)
}

/// Reads what [`open_file_at`] has opened, as [`read_plain`] does.
pub fn read_open(file: File, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::Error::other(format!("{name} is not a file")));
    }
    if status.len() > limit {
        return Err(io::Error::other(format!("{name} has more than {limit} bytes")));
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a file that must not exist yet. Its mode is exactly `mode`, whatever the umask is.
pub fn create_file_at(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    mode: u32,
) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = open_beneath(directory.as_fd(), path, flags, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::fchmod(&file, bits(mode))?;
    Ok(file.into())
}

/// Makes a directory that must not exist yet, with exactly that mode, and opens it.
pub fn create_directory_at(
    directory: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    mode: u32,
) -> io::Result<OwnedFd> {
    let directory = directory.as_fd();
    rustix::fs::mkdirat(directory, name, Mode::RWXU)?;
    let opened = open_directory_at(directory, name)?;
    rustix::fs::fchmod(&opened, bits(mode))?;
    Ok(opened)
}

/// Lets the disk begin with a file while more is being received. Durable it is only after a sync,
/// which then has less to do.
pub fn start_writeback(file: &File) {
    unsafe_calls::start_writeback(file.as_raw_fd());
}

/// What a name in a directory is.
pub fn status_at(directory: impl AsFd, name: impl rustix::path::Arg) -> io::Result<Status> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(status_of(&stat))
}

/// What an open file is.
pub fn status(file: impl AsFd) -> io::Result<Status> {
    Ok(status_of(&rustix::fs::fstat(file)?))
}

/// The names in a directory, sorted, without `.` and `..`. Of more than `most`, so many.
pub fn names(directory: impl AsFd, most: usize) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if names.len() == most {
            break;
        }
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Opens whatever is at a relative path, without the right to read it, only to name it.
pub fn open_any_at(directory: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    open_beneath(directory.as_fd(), path, OFlags::PATH, Mode::empty())
}

/// Opens whatever a path of ours leads to, without the right to read it, only to name it.
pub fn open_any(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?)
}

/// As [`open_any_at`], also where another file system is mounted on the way.
pub fn open_any_within(directory: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let resolve = BENEATH.difference(ResolveFlags::NO_XDEV);
    open_resolved(directory.as_fd(), path, OFlags::PATH, Mode::empty(), resolve)
}

/// Reads what was opened only to name it, as [`read_plain`] does. It is not opened for reading before it
/// is known to be a plain file: of a device, that alone may have an effect.
pub fn read_named(handle: impl AsFd, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let handle = handle.as_fd();
    if status(handle)?.kind != Kind::File {
        return Err(io::Error::other(format!("{name} is not a file")));
    }
    read_open(File::open(path_of(&handle))?, name, limit)
}

/// A path that leads to what was opened, however long its own one is.
pub fn path_of(handle: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd()))
}

/// Sets the mode of what [`open_any_at`] opened. `fchmod` refuses such a handle.
pub fn set_mode(handle: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmodat(CWD, path_of(&handle), bits(mode), AtFlags::empty())?)
}

/// Sets the mode of a name which its owner may not even open. What is reached is what `name` is
/// at that moment; a link is an error.
pub fn force_mode(directory: impl AsFd, name: impl rustix::path::Arg, mode: u32) -> io::Result<()> {
    set_mode(open_any_at(directory, name)?, mode)
}

/// Takes the ACLs, and what else a user has attached, from what [`open_any_at`] opened. What the
/// system's own modules attach (`security.*`) stays.
pub fn drop_attributes(handle: impl AsFd) -> io::Result<()> {
    let path = path_of(&handle);
    let mut names = Vec::with_capacity(LIST_BYTES);
    match rustix::fs::listxattr(&path, spare_capacity(&mut names)) {
        // A file system that has none.
        Err(Errno::OPNOTSUPP) => return Ok(()),
        listed => listed?,
    };
    for name in names.split(|byte| *byte == 0) {
        if name.starts_with(b"system.posix_acl_") || name.starts_with(b"user.") {
            rustix::fs::removexattr(&path, name)?;
        }
    }
    Ok(())
}

/// Lets two names change places at one moment: neither is ever missing.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Bytes and inodes that are free, for a process without privileges, where `path` is.
pub fn free_space(path: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    // Some file systems (btrfs) make inodes as they need them, and say that there are none.
    let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
    Ok(Space { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes })
}

fn open_beneath(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
    mode: Mode,
) -> io::Result<OwnedFd> {
    open_resolved(directory, path, flags, mode, BENEATH)
}

fn open_resolved(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(path.into_with_c_str(|path| {
        let mut attempts = ATTEMPTS;
        loop {
            match rustix::fs::openat2(&directory, path, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) if attempts > 0 => attempts -= 1,
                opened => return opened,
            }
        }
    })?)
}

fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode(mode)
}

fn status_of(stat: &rustix::fs::Stat) -> Status {
    let kind = match FileType::from_raw_mode(stat.st_mode as RawMode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Special,
    };
    Status {
        kind,
        mode: stat.st_mode & 0o7777,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        #[expect(clippy::useless_conversion, reason = "narrower on other architectures")]
        links: u64::from(stat.st_nlink),
        inode: stat.st_ino,
        disk_bytes: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK_BYTES),
        last_used: nanoseconds(stat.st_atime, stat.st_atime_nsec)
            .max(nanoseconds(stat.st_mtime, stat.st_mtime_nsec)),
    }
}

/// The file system's own words for a time, which are of other types on other architectures.
fn nanoseconds(seconds: impl TryInto<i64>, rest: impl TryInto<i64>) -> i64 {
    let (seconds, rest) = (seconds.try_into().unwrap_or(0), rest.try_into().unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn nothing_is_opened_through_a_link_or_outside() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        symlink(outside.path(), inside.path().join("way")).unwrap();
        let directory = open_directory(inside.path()).unwrap();
        for path in ["way/secret", "way", "../x", "/etc/passwd"] {
            assert!(open_file_at(&directory, path).is_err(), "{path}");
            assert!(create_file_at(&directory, path, 0o644).is_err(), "{path}");
        }
        assert!(create_file_at(&directory, "way/new", 0o644).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        assert!(open_directory(&inside.path().join("way")).is_err());
    }

    #[test]
    fn modes_are_exact_and_can_be_forced() {
        let root = tempfile::tempdir().unwrap();
        let directory = open_directory(root.path()).unwrap();
        create_directory_at(&directory, "sub", 0o000).unwrap();
        create_file_at(&directory, "file", 0o755).unwrap();
        assert_eq!(root.path().join("file").metadata().unwrap().mode() & 0o7777, 0o755);
        force_mode(&directory, "sub", 0o700).unwrap();
        assert_eq!(status_at(&directory, "sub").unwrap().mode, 0o700);
        symlink("file", root.path().join("link")).unwrap();
        assert!(force_mode(&directory, "link", 0o777).is_err());
    }

    #[test]
    fn there_is_some_space() {
        let space = free_space(Path::new("/")).unwrap();
        assert!(space.bytes > 0 && space.inodes > 0);
    }
}
