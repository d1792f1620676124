//! `SECCOMP_RET_USER_NOTIF` (`seccomp_unotify(2)`): a process's system calls wait for the answer
//! of another one.
#![expect(unsafe_code, reason = "seccomp has no safe form")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    id: u64,
    /// The thread that calls.
    pub(super) thread: i32,
    pub(super) number: i64,
    /// What it was given.
    pub(super) arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The kernel carries it out.
    Go,
    /// It fails with this error, and nothing is done.
    Fail(i32),
    /// It returns this, and nothing is done.
    Return(i64),
}

mod ioctls {
    use nix::libc;

    nix::ioctl_readwrite!(receive, b'!', 0, libc::seccomp_notif);
    nix::ioctl_readwrite!(send, b'!', 1, libc::seccomp_notif_resp);
    nix::ioctl_write_int_bad!(set_flags, nix::request_code_write!(b'!', 4, size_of::<u64>()));
}

/// The caller and its interceptor take turns on one processor, which is twice as fast: since Linux 6.6, and
/// where that cannot be had, nothing is lost but time.
pub(super) fn wake_in_turn(listener: BorrowedFd<'_>) {
    const SYNC_WAKE_UP: i32 = 1;
    // SAFETY: it takes a number, and the descriptor is open.
    let _ = unsafe { ioctls::set_flags(listener.as_raw_fd(), SYNC_WAKE_UP) };
}

/// From now on, these calls of this process and of all that it starts wait for whoever has the
/// descriptor. When nobody has it any more, they fail with `ENOSYS`.
pub(super) fn install(calls: &[i64]) -> io::Result<OwnedFd> {
    let statement = |code: u32, value: u32| filter(code, 0, 0, value);
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let end = libc::BPF_RET | libc::BPF_K;
    let mut program = vec![statement(load, 0)?];
    for (index, call) in calls.iter().enumerate() {
        let ahead = u8::try_from(calls.len() - index).map_err(io::Error::other)?;
        program.push(filter(jump, ahead, 0, u32::try_from(*call).map_err(io::Error::other)?)?);
    }
    program.push(statement(end, libc::SECCOMP_RET_ALLOW)?);
    program.push(statement(end, libc::SECCOMP_RET_USER_NOTIF)?);
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the program lives until the call returns, and the kernel only reads it. What the call
    // gives back is a descriptor that nobody else has.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let descriptor = Errno::result(libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        ))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(descriptor).map_err(io::Error::other)?))
    }
}

/// Waits for the next call; nothing if its process has ended meanwhile.
pub(super) fn receive(listener: BorrowedFd<'_>) -> io::Result<Option<Notice>> {
    // SAFETY: the kernel asks for zeroes, and fills the structure in.
    let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the descriptor is open.
    match unsafe { ioctls::receive(listener.as_raw_fd(), &raw mut notice) } {
        Err(Errno::ENOENT | Errno::EINTR) => Ok(None),
        Err(errno) => Err(errno.into()),
        Ok(_) => Ok(Some(Notice {
            id: notice.id,
            thread: notice.pid.cast_signed(),
            number: notice.data.nr.into(),
            arguments: notice.data.args,
        })),
    }
}

/// Answers. A process that has ended meanwhile needs no answer.
pub(super) fn reply(listener: BorrowedFd<'_>, notice: &Notice, reply: Reply) -> io::Result<()> {
    let (val, error, flags) = match reply {
        Reply::Go => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE),
        Reply::Fail(errno) => (0, -errno, 0),
        Reply::Return(value) => (value, 0, 0),
    };
    let flags = u32::try_from(flags).map_err(io::Error::other)?;
    let mut response = libc::seccomp_notif_resp { id: notice.id, val, error, flags };
    // SAFETY: the structure is whole, and the descriptor is open.
    match unsafe { ioctls::send(listener.as_raw_fd(), &raw mut response) } {
        Err(Errno::ENOENT) | Ok(_) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn filter(code: u32, jt: u8, jf: u8, k: u32) -> io::Result<libc::sock_filter> {
    let code = u16::try_from(code).map_err(io::Error::other)?;
    Ok(libc::sock_filter { code, jt, jf, k })
}
