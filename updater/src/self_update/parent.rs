//! The small parent: owns the listening socket, starts updaters, decides nothing about releases.
//!
//! It is one thread that waits for signals and messages. It must never do anything that can take
//! long or fail for reasons of a release.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::time::{Duration, Instant};

use common::{Attempts, Backoff, chain, is_worth_logging, random};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::environment::Environment;
use crate::release::{Layout, Slot};
use crate::self_update::executable::OwnExecutable;
use crate::self_update::start::{CandidateMark, Start, StartError, Started, start_updater};
use crate::self_update::{Channel, ChannelError, FromParent, ToParent};
use crate::sys::output::pass_on;
use crate::sys::spawn::Output;
use crate::sys::{Lifetime, spawn_thread};

/// Between two starts of an updater that died, or could not be started.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// After this uptime, a death does not count as one more of the same: the pauses begin anew.
const LONG_LIFE: Duration = Duration::from_mins(1);

/// Why the parent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// The system refused something that it never should.
    #[error("look after the updater")]
    System(#[from] io::Error),
    /// The updater cannot be started.
    #[error("start the updater")]
    Start(#[from] StartError),
}

/// Short lives in a row after which the release before is tried.
const PATIENCE: u32 = 6;

/// The exit status of an updater where no other release would do better: `EX_CONFIG` of `sysexits(3)`.
/// Neither the parent nor the rescue goes back to another one for it.
pub const EXIT_HOST_FAULT: u8 = 78;

struct Updater {
    pid: Pid,
    channel: Channel,
    started: Instant,
    /// Of a candidate, by which what it has started is known.
    mark: Option<CandidateMark>,
}

struct Parent {
    layout: Layout,
    config: PathBuf,
    /// The environment that updaters inherit.
    environment: BTreeMap<String, String>,
    socket: TcpListener,
    main: Option<Updater>,
    candidate: Option<Updater>,
    handed_over: bool,
    pauses: Attempts,
    start_at: Instant,
    short_lives: u32,
    /// Starts in a row that failed: there was no process that could have logged why.
    failed_starts: u32,
    /// Where the next updaters are to crash, one after the other; for tests.
    crashes: VecDeque<String>,
}

/// Runs until it is told to end. `config` is passed on to every updater.
pub fn run_parent(
    layout: Layout,
    config: PathBuf,
    environment: &Environment,
    socket: TcpListener,
) -> Result<(), ParentError> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block().map_err(io::Error::from)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(io::Error::from)?;
    let crashes = environment.crash_at().unwrap_or_default();
    let mut parent = Parent {
        layout,
        config,
        environment: environment.for_successor(),
        socket,
        main: None,
        candidate: None,
        handed_over: false,
        pauses: PAUSES.attempts(),
        start_at: Instant::now(),
        short_lives: 0,
        failed_starts: 0,
        crashes: crashes.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    };
    parent.start_main()?;
    while !parent.turn(&signals)? {}
    Ok(())
}

impl Parent {
    /// Waits for one thing to happen and deals with it. True at the end.
    fn turn(&mut self, signals: &SignalFd) -> Result<bool, ParentError> {
        let (signalled, from_main, from_candidate) = self.wait(signals)?;
        if from_main {
            self.hear_main();
        }
        if from_candidate {
            self.hear_candidate();
        }
        if signalled {
            while let Ok(Some(signal)) = signals.read_signal() {
                let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
                let signal = Signal::try_from(number);
                if signal != Ok(Signal::SIGCHLD) {
                    let name = signal.map_or("a signal", Signal::as_str);
                    tracing::info!("ended by {name}; agents run on");
                    self.end();
                    return Ok(true);
                }
            }
            self.reap()?;
        }
        if self.main.is_none() && Instant::now() >= self.start_at {
            match self.start_main() {
                Ok(()) => self.failed_starts = 0,
                Err(error) => self.start_failed(&error),
            }
        }
        Ok(false)
    }

    fn wait(&self, signals: &SignalFd) -> io::Result<(bool, bool, bool)> {
        let timeout = if self.main.is_some() {
            PollTimeout::NONE
        } else {
            let left = self.start_at.saturating_duration_since(Instant::now());
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::ZERO)
        };
        let mut waiting = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        for updater in [&self.main, &self.candidate].into_iter().flatten() {
            waiting.push(PollFd::new(updater.channel.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut waiting, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = waiting
            .iter()
            .map(|one| one.revents().is_some_and(|events| events.contains(PollFlags::POLLIN)));
        let signalled = ready.next().unwrap_or(false);
        let main = self.main.is_some() && ready.next().unwrap_or(false);
        let candidate = self.candidate.is_some() && ready.next().unwrap_or(false);
        Ok((signalled, main, candidate))
    }

    fn hear_main(&mut self) {
        let Some(main) = &self.main else { return };
        match main.channel.receive() {
            Ok(ToParent::Start(program)) => match self.start(&program, true) {
                Ok(candidate) => self.candidate = Some(candidate),
                Err(error) => self.tell_main(&FromParent::Failed(chain(&error))),
            },
            Ok(ToParent::Stop) => self.stop_candidate(),
            Ok(ToParent::HandOver) => self.handed_over = self.candidate.is_some(),
            // What only a new one says means nothing from this one.
            Ok(ToParent::Ready | ToParent::Answered) | Err(ChannelError::Malformed(_)) => {}
            Err(ChannelError::Io(_)) => end(main.pid),
        }
    }

    fn hear_candidate(&self) {
        let Some(candidate) = &self.candidate else { return };
        match candidate.channel.receive() {
            Ok(ToParent::Ready) => self.tell_main(&FromParent::Ready),
            Ok(ToParent::Answered) => self.tell_main(&FromParent::Answered),
            Err(ChannelError::Io(_)) => end(candidate.pid),
            _ => {}
        }
    }

    fn tell_main(&self, message: &FromParent) {
        if let Some(main) = &self.main {
            // One that is gone is seen by its SIGCHLD.
            let _ = main.channel.send(message);
        }
    }

    fn reap(&mut self) -> Result<(), ParentError> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
                Ok(status) => status,
                Err(errno) => return Err(io::Error::from(errno).into()),
            };
            let is = |updater: &Option<Updater>| {
                updater.as_ref().is_some_and(|updater| Some(updater.pid) == status.pid())
            };
            if is(&self.candidate) {
                let mark = self.candidate.take().and_then(|candidate| candidate.mark);
                mark.iter().for_each(CandidateMark::end_all);
                self.handed_over = false;
                self.tell_main(&FromParent::Failed(format!("it ended: {}", ending(status))));
            } else if is(&self.main) {
                self.main_ended(status);
            }
        }
    }

    fn main_ended(&mut self, status: WaitStatus) {
        let lived = self.main.take().map(|main| main.started.elapsed()).unwrap_or_default();
        if self.handed_over {
            self.handed_over = false;
            self.main = self.candidate.take();
            if let Some(main) = &self.main {
                let _ = main.channel.send(&FromParent::InCharge);
            }
            return;
        }
        tracing::warn!("the updater ended: {}; starting it again", ending(status));
        // The successor that was being tried was not proven: the link still names the old one.
        self.stop_candidate();
        if lived >= LONG_LIFE {
            self.pauses.succeed();
            self.short_lives = 0;
        }
        self.try_again_later();
        if matches!(status, WaitStatus::Exited(_, status) if status == i32::from(EXIT_HOST_FAULT)) {
            self.short_lives = 0;
        }
    }

    fn start_failed(&mut self, error: &ParentError) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        if is_worth_logging(self.failed_starts) {
            let times = self.failed_starts;
            let plural = if times == 1 { "time" } else { "times" };
            tracing::error!("failed {times} {plural} in a row to {}; trying again", chain(error));
        }
        self.try_again_later();
    }

    fn try_again_later(&mut self) {
        self.short_lives = self.short_lives.saturating_add(1);
        self.start_at = Instant::now() + self.pauses.fail(random());
    }

    fn stop_candidate(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            end_now(candidate.pid);
            candidate.mark.iter().for_each(CandidateMark::end_all);
        }
    }

    fn start_main(&mut self) -> Result<(), ParentError> {
        // One that answered the master once and dies ever since: the one before did better.
        let slot = if self.short_lives >= PATIENCE { Slot::Prev } else { Slot::Active };
        let program = OwnExecutable::in_slot(&self.layout, slot)?;
        self.main = Some(self.start(&program, false)?);
        Ok(())
    }

    fn start(&mut self, program: &Path, candidate: bool) -> Result<Updater, ParentError> {
        let started = start_updater(Start {
            program,
            config: &self.config,
            environment: &self.environment,
            socket: &self.socket,
            // Its successor takes them from the agents.
            sockets: Vec::new(),
            candidate,
            lifetime: Lifetime::ParentThread,
            output: if candidate { escaped_output(program)? } else { Output::Same },
            crash_at: self.crashes.pop_front(),
        })?;
        // The standard library made a number without a sign of the system's own.
        let pid = Pid::from_raw(started.child.id().cast_signed());
        let Started { channel, mark, .. } = started;
        Ok(Updater { pid, channel, started: Instant::now(), mark })
    }

    /// Ends everything. Agents live on: the next updater finds them.
    fn end(&mut self) {
        for updater in [self.candidate.take(), self.main.take()].into_iter().flatten() {
            end_now(updater.pid);
        }
    }
}

/// Where a program prints of which nothing is known yet: what it says must not look like lines of the
/// log, nor do anything to a terminal. The thread ends when nothing can print there any more.
fn escaped_output(program: &Path) -> Result<Output, StartError> {
    let prepare = |source| StartError::Prepare { program: program.to_owned(), source };
    let (reader, writer) = io::pipe().map_err(prepare)?;
    let thread = Builder::new().name("new updater's output".to_owned());
    spawn_thread(thread, move || pass_on(reader, io::stderr())).map_err(prepare)?;
    Ok(Output::Pipe(writer))
}

/// An updater can be killed at any moment, so there is nothing to wait for.
fn end_now(pid: Pid) {
    end(pid);
    let _ = waitpid(pid, None);
}

/// One that has closed its channel is gone already, or of no use. It is reaped like any other.
fn end(pid: Pid) {
    let _ = kill(pid, Signal::SIGKILL);
}

fn ending(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(_, code) => format!("exit status {code}"),
        WaitStatus::Signaled(_, signal, _) => format!("signal {signal}"),
        other => format!("{other:?}"),
    }
}
