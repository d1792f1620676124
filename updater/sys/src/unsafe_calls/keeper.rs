//! A process between the updater and what it starts, to which all that this starts falls.

use std::io;
use std::os::fd::RawFd;

use nix::libc;

use super::super::exits::{ENTRIES, ENTRY_BYTES};
use super::calls::{checked, close_range, die_with_parent, open_limit, reset_signals};

/// What a keeper keeps, and so when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeeperOf {
    /// A command. The keeper ends when its child has ended, as its child has ended; it has killed and reaped
    /// all of them before. It gets TERM when the thread of `parent` that made it ends.
    Command { parent: libc::pid_t },
    /// An agent, which outlives the updater: the keeper ends with the last of its processes.
    Agent {
        /// A socket. To it the keeper writes the number of its child, and later how that ended; before it
        /// reaps anything it reads a byte from it, or its end.
        report: RawFd,
        /// The file to which it writes how each process ended that fell to it.
        exits: Option<RawFd>,
        /// From where to where the words lie that the updater was started with. They are not the keeper's.
        words: (usize, usize),
    },
}

/// Forks. The caller becomes the keeper of its child, and never returns; the child returns.
///
/// The keeper is the reaper of all that descends from its child, whatever sessions they make. On TERM it
/// kills and reaps all of them, and ends. What else it does says `of`.
pub(crate) fn fork_under_keeper(of: KeeperOf) -> io::Result<()> {
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
            child => keep(child, of, &watched),
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

unsafe fn keep(child: libc::pid_t, of: KeeperOf, watched: &libc::sigset_t) -> ! {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        let name = match of {
            KeeperOf::Command { parent } => {
                if die_with_parent(parent, libc::SIGTERM).is_err() {
                    // Not `raise`, which is for the thread whose number the C library remembers.
                    libc::kill(libc::getpid(), libc::SIGTERM);
                }
                close_from(0);
                c"build-keeper"
            }
            KeeperOf::Agent { report, exits, words: (first, end) } => {
                libc::dup2(report, 0);
                if let Some(exits) = exits {
                    libc::dup2(exits, EXITS);
                }
                close_from(if exits.is_some() { EXITS + 1 } else { EXITS });
                // The updater may have ended meanwhile.
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
                libc::chdir(c"/".as_ptr());
                // Its own copy of them.
                let words: *mut u8 = std::ptr::with_exposed_provenance_mut(first);
                words.write_bytes(0, end.saturating_sub(first));
                tell(child);
                // The child is looked at before its number can be another's.
                libc::read(0, [0_u8].as_mut_ptr().cast(), 1);
                c"agent-keeper"
            }
        };
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        let (mut ended, mut seen) = (None, 0_usize);
        loop {
            let signal = libc::sigwaitinfo(watched, std::ptr::null_mut());
            let left = reap_ended(child, of, &mut seen, &mut ended);
            let is_over = match of {
                KeeperOf::Command { .. } => ended.is_some(),
                KeeperOf::Agent { .. } => !left,
            };
            if signal == libc::SIGTERM || is_over {
                break;
            }
        }
        match of {
            KeeperOf::Command { .. } => end_all_children(child),
            KeeperOf::Agent { .. } => end_all_in_rounds(child, of, &mut seen, &mut ended),
        }
        match ended {
            Some(status) if libc::WIFEXITED(status) => libc::_exit(libc::WEXITSTATUS(status)),
            Some(status) if libc::WIFSIGNALED(status) => die_of(libc::WTERMSIG(status)),
            _ => die_of(libc::SIGKILL),
        }
    }
}

/// Tells the updater of an agent's first process: its number, and at its end its status.
unsafe fn tell(number: libc::c_int) {
    let bytes = number.to_ne_bytes();
    // SAFETY: as in `fork_under_keeper`; the buffer is as long as it says.
    unsafe {
        libc::write(0, bytes.as_ptr().cast(), bytes.len());
    }
}

/// Reaps all that have ended, and tells of each. Whether there are children left. `seen` counts them, and `ended`
/// is how the first process did.
unsafe fn reap_ended(
    child: libc::pid_t,
    of: KeeperOf,
    seen: &mut usize,
    ended: &mut Option<libc::c_int>,
) -> bool {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        loop {
            let (pid, status) = next_ended();
            if pid <= 0 {
                return pid == 0;
            }
            // Before it is reaped: an updater looks when it is gone.
            if matches!(of, KeeperOf::Agent { exits: Some(_), .. }) {
                write_down(*seen, pid, status);
                *seen = seen.wrapping_add(1);
            }
            libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG);
            if pid == child {
                *ended = Some(status);
                if matches!(of, KeeperOf::Agent { .. }) {
                    tell(status);
                }
            }
        }
    }
}

/// The number that the file of the ends has in a keeper.
const EXITS: RawFd = 1;

/// A child that has ended and is not reaped, and how (wait(2)); 0 if there is none, -1 if there is no child.
unsafe fn next_ended() -> (libc::pid_t, libc::c_int) {
    // SAFETY: as in `fork_under_keeper`; the kernel fills `info`, or leaves its zeros.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        if libc::waitid(libc::P_ALL, 0, &raw mut info, options) != 0 {
            return (-1, 0);
        }
        let status = match info.si_code {
            libc::CLD_EXITED => (info.si_status() & 0xff) << 8,
            libc::CLD_DUMPED => info.si_status() | 0x80,
            _ => info.si_status(),
        };
        (info.si_pid(), status)
    }
}

/// Writes down how a process has ended, in place of the oldest end: see [`Exits`](crate::exits::Exits).
unsafe fn write_down(seen: usize, pid: libc::pid_t, status: libc::c_int) {
    // SAFETY: as in `fork_under_keeper`; the kernel fills `now`, and the buffer is as long as it says.
    unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now);
        let at = now.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec);
        let mut entry = [0_u8; ENTRY_BYTES];
        let fields =
            pid.to_ne_bytes().into_iter().chain(status.to_ne_bytes()).chain(at.to_ne_bytes());
        entry.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
        let offset = libc::off_t::try_from(seen % ENTRIES * ENTRY_BYTES).unwrap_or_default();
        libc::pwrite(EXITS, entry.as_ptr().cast(), entry.len(), offset);
    }
}

/// Closes all descriptors from this one on, among them the pipe by which the parent learns that `exec` was
/// done.
unsafe fn close_from(first: RawFd) {
    // SAFETY: as in `fork_under_keeper`; what is closed, this process does not use.
    unsafe {
        if close_range(first, 0) != 0 {
            for descriptor in first..open_limit() {
                libc::close(descriptor);
            }
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
                pause();
            }
        }
        while libc::waitpid(-1, std::ptr::null_mut(), 0) != -1 || was_interrupted() {}
    }
}

/// The same for what has no bound on its processes: the dead would fill the machine's numbers, and what forks
/// on and on would be ahead of a look at all of them. So they are reaped in each round: no other process can
/// have the number of a child before that, and when there is no child, there is nothing that descends from one.
unsafe fn end_all_in_rounds(
    child: libc::pid_t,
    of: KeeperOf,
    seen: &mut usize,
    ended: &mut Option<libc::c_int>,
) {
    // SAFETY: as in `fork_under_keeper`.
    unsafe {
        loop {
            let Some((_, alive)) = kill_children() else {
                libc::kill(-child, libc::SIGKILL);
                return;
            };
            if !reap_ended(child, of, seen, ended) {
                return;
            }
            if alive > 0 {
                pause();
            }
        }
    }
}

/// A millisecond.
unsafe fn pause() {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: as in `fork_under_keeper`; the time is on the stack.
    unsafe {
        libc::nanosleep(&raw const pause, std::ptr::null_mut());
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
