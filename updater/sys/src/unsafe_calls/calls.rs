//! Calls around `fork` and `exec`, and a few that touch nothing but this process.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::libc;

/// Runs `prepare` in the child, after `fork` and before `exec`.
///
/// `prepare` may only call what is async-signal-safe: of the threads of this process the child has one,
/// and a lock that another thread held is never given back there.
pub(crate) fn before_exec<F>(command: &mut Command, prepare: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: the one caller is `Spawn::start`, whose closure runs `Preparation::apply` and `Exec::run`
    // on what was allocated before `fork`: they make system calls, and neither allocate nor format.
    unsafe {
        command.pre_exec(prepare);
    }
}

/// A whole `execve`, made before `fork`. It may have a variable whose value is known only after it: the
/// number of the process.
///
/// The function that the C library has for this (`execvp`) hands what the kernel does not know to
/// `/bin/sh`: the bytes of a program for another machine would be run as commands.
pub(crate) struct Exec {
    words: Vec<CString>,
    /// The environment, but for the number.
    variables: Vec<CString>,
    /// `NAME=`, and room for the number and the null after it; empty where it is not wanted.
    number: Vec<u8>,
    /// Where in it the number begins.
    digits: usize,
    arguments: Pointers,
    environment: Pointers,
}

/// A list of texts as the kernel wants it, with its null at the end. It is made before `fork`, so that
/// nothing is allocated after it, and all null until [`Exec::run`] fills it in.
struct Pointers(Vec<*const c_char>);

// SAFETY: what is sent from thread to thread has nulls in it and nothing else. The pointers are written,
// and read, within one call of `Exec::run`, which has the texts that they point to.
unsafe impl Send for Pointers {}
// SAFETY: as above; through a shared reference nothing here can be reached.
unsafe impl Sync for Pointers {}

impl Pointers {
    /// For so many texts.
    fn room_for(texts: usize) -> Self {
        Self(vec![std::ptr::null(); texts + 1])
    }

    /// Points to these texts, and to no more than there is room for: the last pointer stays null.
    fn fill(&mut self, texts: impl Iterator<Item = *const c_char>) {
        let texts_and_null = self.0.len();
        let room = self.0.iter_mut().take(texts_and_null.saturating_sub(1));
        room.zip(texts).for_each(|(place, text)| *place = text);
    }
}

impl Exec {
    /// Of this program, with its own number in the variable `name`, if there is one.
    pub(crate) fn new(
        program: &Path,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
        name: Option<&str>,
    ) -> io::Result<Self> {
        let text = |text: Vec<u8>| CString::new(text).map_err(io::Error::from);
        let first = text(program.as_os_str().as_bytes().to_vec());
        let words = arguments.iter().map(|word| text(word.clone().into_bytes()));
        let words = std::iter::once(first).chain(words).collect::<io::Result<Vec<_>>>()?;
        let variables = environment.iter().filter(|(other, _)| Some(other.as_str()) != name);
        let variables = variables.map(|(name, value)| text(format!("{name}={value}").into()));
        let variables = variables.collect::<io::Result<Vec<_>>>()?;
        let mut number = name.map(|name| format!("{name}=").into_bytes()).unwrap_or_default();
        let digits = number.len();
        if name.is_some() {
            number.resize(digits + NUMBER_DIGITS + 1, 0);
        }
        let in_environment = variables.len() + usize::from(name.is_some());
        let (arguments, environment) =
            (Pointers::room_for(words.len()), Pointers::room_for(in_environment));
        Ok(Self { words, variables, number, digits, arguments, environment })
    }

    /// Becomes the program. It returns only if that could not be. To be called between `fork` and
    /// `exec`.
    pub(crate) fn run(&mut self) -> io::Error {
        // SAFETY: `getpid` cannot fail and touches no memory.
        let own = unsafe { libc::getpid() };
        write_number(own.unsigned_abs(), self.number.get_mut(self.digits..).unwrap_or_default());
        // Only now: a pointer that was taken before the number was written would not be one to the
        // bytes that were written (it is not to be used after the buffer was borrowed to be changed).
        self.arguments.fill(self.words.iter().map(|word| word.as_ptr()));
        let number = (!self.number.is_empty()).then(|| self.number.as_ptr().cast());
        self.environment.fill(self.variables.iter().map(|text| text.as_ptr()).chain(number));
        let Some(program) = self.words.first() else { return io::ErrorKind::InvalidInput.into() };
        // SAFETY: both lists end in null, and point to texts that end in one: `CString`s, and `number`,
        // whose last byte `write_number` leaves zero. `self` owns all of them, and nothing has changed
        // them since the pointers were taken. `execve` is async-signal-safe.
        unsafe {
            let (arguments, environment) = (self.arguments.0.as_ptr(), self.environment.0.as_ptr());
            libc::execve(program.as_ptr(), arguments, environment);
        }
        io::Error::last_os_error()
    }
}

/// Digits of the longest number of a process.
const NUMBER_DIGITS: usize = 10;

/// Writes a number in decimal to the beginning of a buffer of zeros, which has one byte more than the
/// longest number. By hand: what formats numbers is not made to be called between `fork` and `exec`.
fn write_number(mut number: u32, buffer: &mut [u8]) {
    let mut digits = [0; NUMBER_DIGITS];
    let mut begin = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        // Less than ten, so nothing is cut off.
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        (number, begin) = (number / 10, index);
        if number == 0 {
            break;
        }
    }
    let written = digits.iter().skip(begin);
    buffer.iter_mut().zip(written).for_each(|(place, digit)| *place = *digit);
}

/// Every signal gets its default action, and none is blocked. `exec` keeps what is ignored and
/// what is blocked, so a child would else inherit both.
pub(crate) fn reset_signals() -> io::Result<()> {
    // SAFETY: `signal` and `sigprocmask` are async-signal-safe; the set is initialised by
    // `sigemptyset` before it is read. KILL and STOP refuse, which is right.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        checked(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()))
    }
}

/// Every descriptor from 3 on is closed by `exec`, whatever code of this process opened it.
pub(crate) fn close_on_exec() {
    // SAFETY: these calls touch nothing but flags of descriptors of this process.
    unsafe {
        if close_range(3, libc::CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        // Linux before 5.11.
        for descriptor in 3..open_limit() {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Takes over a descriptor that the parent has passed on under a number.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks whether the descriptor is open. It was put there for this process
    // by its parent, and the caller takes it once.
    unsafe {
        if libc::fcntl(number, libc::F_GETFD) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(number))
    }
}

/// Asks the kernel to begin writing a file's data to the disk, and does not wait for it.
pub(crate) fn start_writeback(file: RawFd) {
    // SAFETY: touches no memory. It is a hint, so its answer is not needed.
    unsafe {
        libc::sync_file_range(file, 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// `close_range(2)` up to the last descriptor. By its number: glibc has the function since 2.34 only, and
/// a program that names it cannot be started on an older host.
pub(super) unsafe fn close_range(first: RawFd, flags: libc::c_uint) -> libc::c_long {
    // SAFETY: touches no memory. That `first` and what is above it may be closed, or marked, says the
    // caller.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) }
}

pub(super) fn open_limit() -> RawFd {
    // SAFETY: reads a number.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    RawFd::try_from(limit.clamp(256, 1 << 20)).unwrap_or(1024)
}

/// Gives an open descriptor a number, under which it survives `exec`.
pub(crate) fn place(descriptor: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: both calls only change this process's table of descriptors.
    unsafe {
        if descriptor == number {
            return checked(libc::fcntl(descriptor, libc::F_SETFD, 0));
        }
        checked(libc::dup2(descriptor, number))
    }
}

/// Moves this process into the control group whose `cgroup.procs` is open under this number.
pub(crate) fn join(group: RawFd) -> io::Result<()> {
    // SAFETY: the buffer is as long as it says.
    let written = unsafe { libc::write(group, c"0".as_ptr().cast(), 1) };
    if written == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Who reads from this socket, in whichever process, comes to its end.
pub(crate) fn hang_up(socket: RawFd) {
    // SAFETY: touches no memory.
    unsafe {
        libc::shutdown(socket, libc::SHUT_RD);
    }
}

/// Makes a network of its own for this process, with nothing in it.
pub(crate) fn leave_network() -> io::Result<()> {
    // SAFETY: changes the namespaces of this process only.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// This process gets `signal` when its parent's thread ends.
pub(crate) fn die_with_parent(parent: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: prctl with these arguments reads no memory; `getppid` cannot fail.
    unsafe {
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, signal))?;
        // The parent may have ended before the call.
        if libc::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        }
    }
    Ok(())
}

/// This process and its descendants never gain rights by `exec`.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: prctl with these arguments reads no memory.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

pub(super) fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_is_said_and_ends_in_a_null() {
        for number in [0, 7, 10, 4_194_304, u32::MAX] {
            let mut buffer = [0; NUMBER_DIGITS + 1];
            write_number(number, &mut buffer);
            let text = std::ffi::CStr::from_bytes_until_nul(&buffer).unwrap();
            assert_eq!(text.to_str().unwrap(), number.to_string());
        }
    }

    #[test]
    fn pointers_end_in_a_null_whatever_they_are_filled_with() {
        let texts = [c"a", c"b", c"c"];
        for room in [2, 3] {
            let mut pointers = Pointers::room_for(room);
            assert!(pointers.0.iter().all(|pointer| pointer.is_null()));
            pointers.fill(texts.iter().map(|text| text.as_ptr()));
            assert_eq!(pointers.0.len(), room + 1);
            assert!(pointers.0[room].is_null() && !pointers.0[room - 1].is_null());
        }
    }
}
