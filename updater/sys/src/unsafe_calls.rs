//! The system calls that need `unsafe`; the only module that may have it.
//!
//! What runs between `fork` and `exec` may only call what is async-signal-safe: no allocation, no
//! lock, no formatting.
#![expect(unsafe_code, reason = "fork, exec and signal dispositions have no safe form")]

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
pub(super) fn before_exec<F>(command: &mut Command, prepare: F)
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
pub(super) struct Exec {
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
    pub(super) fn new(
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
    pub(super) fn run(&mut self) -> io::Error {
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
pub(super) fn reset_signals() -> io::Result<()> {
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
pub(super) fn close_on_exec() {
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
pub(super) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
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
pub(super) fn start_writeback(file: RawFd) {
    // SAFETY: touches no memory. It is a hint, so its answer is not needed.
    unsafe {
        libc::sync_file_range(file, 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// `close_range(2)` up to the last descriptor. By its number: glibc has the function since 2.34 only, and
/// a program that names it cannot be started on an older host.
unsafe fn close_range(first: RawFd, flags: libc::c_uint) -> libc::c_long {
    // SAFETY: touches no memory. That `first` and what is above it may be closed, or marked, says the
    // caller.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) }
}

fn open_limit() -> RawFd {
    // SAFETY: reads a number.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    RawFd::try_from(limit.clamp(256, 1 << 20)).unwrap_or(1024)
}

/// Gives an open descriptor a number, under which it survives `exec`.
pub(super) fn place(descriptor: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: both calls only change this process's table of descriptors.
    unsafe {
        if descriptor == number {
            return checked(libc::fcntl(descriptor, libc::F_SETFD, 0));
        }
        checked(libc::dup2(descriptor, number))
    }
}

/// Makes a network of its own for this process, with nothing in it.
pub(super) fn leave_network() -> io::Result<()> {
    // SAFETY: changes the namespaces of this process only.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// This process gets `signal` when its parent's thread ends.
pub(super) fn die_with_parent(parent: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
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
pub(super) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: prctl with these arguments reads no memory.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

/// Forks. The caller becomes the keeper of its child, and never returns; the child returns.
///
/// The keeper is the reaper of all that descends from its child, whatever sessions they make. It
/// ends when its child has ended, as its child has ended, or on TERM; in both cases it has killed
/// and reaped all of them before. It gets TERM when the thread of `parent` that made it ends.
pub(super) fn fork_under_keeper(parent: libc::pid_t) -> io::Result<()> {
    // SAFETY: this runs in a child between `fork` and `exec`, so there is one thread. Everything
    // that is called here is async-signal-safe, and all memory is on the stack.
    unsafe {
        checked(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
        let mut watched = std::mem::zeroed();
        libc::sigemptyset(&raw mut watched);
        libc::sigaddset(&raw mut watched, libc::SIGCHLD);
        libc::sigaddset(&raw mut watched, libc::SIGTERM);
        checked(libc::sigprocmask(libc::SIG_BLOCK, &raw const watched, std::ptr::null_mut()))?;
        match bare_fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => reset_signals(),
            child => keep(child, parent, &watched),
        }
    }
}

/// `fork` as the kernel has it, by `clone(2)`. The function of the C library runs the handlers of
/// `pthread_atfork` and takes locks of the allocator, so that it may not be called in the child of a
/// process with threads. `_Fork` may, but only glibc 2.34 and newer have it.
///
/// What the C library would keep up to date after it is the number of the thread that it remembers: it
/// stays the parent's, for what signals or locks a single thread. Neither the keeper nor its child does.
unsafe fn bare_fork() -> libc::pid_t {
    const UNUSED: libc::c_long = 0;
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without `CLONE_VM` the child has a copy of all memory, the stack among it, as after `fork`;
    // without a stack of its own it goes on with that copy. All other arguments are unused with these
    // flags, in whichever order an architecture has them; but for s390, the flags are the first.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, UNUSED, UNUSED, UNUSED, UNUSED) };
    // -1, 0, or the number of a process: the kernel has none that is wider.
    #[expect(clippy::cast_possible_truncation, reason = "the kernel's own numbers of processes")]
    let child = child as libc::pid_t;
    child
}

#[cfg(target_arch = "s390x")]
compile_error!("the first argument of clone(2) is the stack here: see `bare_fork`");

unsafe fn keep(child: libc::pid_t, parent: libc::pid_t, watched: &libc::sigset_t) -> ! {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        if die_with_parent(parent, libc::SIGTERM).is_err() {
            // Not `raise`, which is for the thread whose number the C library remembers.
            libc::kill(libc::getpid(), libc::SIGTERM);
        }
        // Among them the pipe by which the parent learns that `exec` was done.
        if close_range(0, 0) != 0 {
            for descriptor in 0..open_limit() {
                libc::close(descriptor);
            }
        }
        libc::setsid();
        let name = c"build-keeper";
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        let mut ended = None;
        while ended.is_none() {
            let signal = libc::sigwaitinfo(watched, std::ptr::null_mut());
            let mut status = 0;
            loop {
                let reaped = libc::waitpid(-1, &raw mut status, libc::WNOHANG);
                if reaped == child {
                    ended = Some(status);
                }
                if reaped <= 0 {
                    break;
                }
            }
            if signal == libc::SIGTERM {
                break;
            }
        }
        end_all_children(child);
        match ended {
            Some(status) if libc::WIFEXITED(status) => libc::_exit(libc::WEXITSTATUS(status)),
            Some(status) if libc::WIFSIGNALED(status) => die_of(libc::WTERMSIG(status)),
            _ => die_of(libc::SIGKILL),
        }
    }
}

/// Kills all that descends from this process, and reaps it.
///
/// A process that loses its parent becomes a child of this process, its reaper, before that parent shows
/// as dead: once all children are dead, and are no more than at the look before, there is no other.
/// Until then none is reaped. The dead count for the `RLIMIT_NPROC` of their user, so a build that
/// forks while it is killed runs out of processes; and a number that is taken names no other process.
unsafe fn end_all_children(group: libc::pid_t) {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        let mut before = 0;
        loop {
            let Some((children, alive)) = kill_children() else {
                // A kernel without the list of children: the group is what can be named.
                libc::kill(-group, libc::SIGKILL);
                return;
            };
            if alive == 0 && children == before {
                break;
            }
            before = children;
            if alive > 0 {
                let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
                libc::nanosleep(&raw const pause, std::ptr::null_mut());
            }
        }
        while libc::waitpid(-1, std::ptr::null_mut(), 0) != -1 || was_interrupted() {}
    }
}

/// Kills every child. How many there are, and how many of them were not dead yet.
unsafe fn kill_children() -> Option<(usize, usize)> {
    // SAFETY: as in `fork_under_keeper`; the buffer is read no further than it was filled.
    unsafe {
        let path = c"/proc/thread-self/children";
        let file = libc::open(path.as_ptr(), libc::O_RDONLY);
        if file == -1 {
            return None;
        }
        let mut buffer = [0_u8; 4096];
        let (mut children, mut alive) = (0, 0);
        // Each number is followed by a space, and may begin at the end of one read.
        let mut number: libc::pid_t = 0;
        while let Ok(read @ 1..) =
            usize::try_from(libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()))
        {
            for byte in buffer.iter().take(read) {
                if byte.is_ascii_digit() {
                    number = number.wrapping_mul(10).wrapping_add(libc::pid_t::from(byte - b'0'));
                } else {
                    if number > 1 {
                        libc::kill(number, libc::SIGKILL);
                        children += 1;
                        alive += usize::from(!is_dead(number));
                    }
                    number = 0;
                }
            }
        }
        libc::close(file);
        Some((children, alive))
    }
}

/// Whether a child only waits to be reaped.
unsafe fn is_dead(child: libc::pid_t) -> bool {
    // SAFETY: as in `fork_under_keeper`; the kernel fills `info`, or leaves its zeros.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let asked = libc::waitid(libc::P_PID, child.cast_unsigned(), &raw mut info, options);
        asked == 0 && info.si_pid() == child
    }
}

unsafe fn die_of(signal: libc::c_int) -> ! {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        let _ = reset_signals();
        libc::kill(libc::getpid(), signal);
        libc::_exit(128 + signal)
    }
}

fn was_interrupted() -> bool {
    io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
}

fn checked(result: libc::c_int) -> io::Result<()> {
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
