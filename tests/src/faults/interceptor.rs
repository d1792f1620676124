//! Who is asked: counts the calls, and does at one of them what a test wants done there.

use std::fmt;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::call::{Call, Effect, with_stable_names};
use super::intercepted::INTERCEPTED;
use super::seccomp::{self, Notice, Reply};
use super::table::{self, SystemCall};
use super::{descriptor, process};

/// What happens at a call.
pub enum Fault {
    /// The updater is killed, all of it, before the call is carried out.
    Kill,
    /// The call fails with this error.
    Error(Errno),
    /// A write takes only a part of its bytes.
    Short,
    /// The call says that it was carried out, and was not.
    Lie,
    /// This is done, and then the updater is killed.
    Do(Box<dyn FnMut() + Send>),
}

/// Chooses the calls at which it happens.
pub type CallFilter = Box<dyn FnMut(&Call) -> bool + Send>;

#[derive(Default)]
struct Interception {
    /// Whether calls are counted.
    armed: bool,
    plans: Vec<(CallFilter, Fault)>,
    seen: Vec<Call>,
    fired: Vec<Call>,
}

/// The one who is asked by an updater and all that it starts.
#[derive(Clone)]
pub struct CallInterceptor {
    config: PathBuf,
    root: PathBuf,
    interception: Arc<Mutex<Interception>>,
}

impl CallInterceptor {
    /// For an updater with this configuration, about calls on what is below `root`.
    pub fn new(config: &Path, root: &Path) -> Self {
        Self { config: config.to_owned(), root: root.to_owned(), interception: Arc::default() }
    }

    /// Wraps the start of a program, so that it and all that it starts ask here. Once it has
    /// been started, [`CallInterceptor::listen`] has to be called with the socket.
    ///
    /// # Errors
    /// When the system has no sockets left.
    pub fn wrap(&self, program: &Path) -> Result<(Command, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(crate::program("crash")?);
        command.arg(INTERCEPTED).arg(program).stdin(OwnedFd::from(theirs));
        Ok((command, ours))
    }

    /// Answers from now on, for as long as anything that was started lives.
    ///
    /// # Errors
    /// When the program could not be put under the filter.
    pub fn listen(&self, socket: &UnixStream) -> Result<()> {
        let listener = descriptor::receive(socket).context("intercept the updater's calls")?;
        seccomp::wake_in_turn(listener.as_fd());
        let interceptor = self.clone();
        std::thread::Builder::new()
            .name("interceptor".to_owned())
            .spawn(move || interceptor.answer(&listener))?;
        Ok(())
    }

    /// Counts from one again, and does this at the calls that are chosen.
    pub fn arm(&self, plans: Vec<(CallFilter, Fault)>) {
        *self.interception() = Interception { armed: true, plans, ..Interception::default() };
    }

    /// Stops counting. Gives the calls that were seen, and those at which something was done.
    pub fn disarm(&self) -> (Vec<Call>, Vec<Call>) {
        let interception = std::mem::take(&mut *self.interception());
        (interception.seen, interception.fired)
    }

    /// Whether something was done.
    pub fn fired(&self) -> bool {
        !self.interception().fired.is_empty()
    }

    fn interception(&self) -> MutexGuard<'_, Interception> {
        self.interception.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, listener: &OwnedFd) {
        while descriptor::wait(listener.as_fd()) {
            let Ok(Some(notice)) = seccomp::receive(listener.as_fd()) else { continue };
            let reply = self.reply_to(&notice).unwrap_or(Reply::Go);
            let _ = seccomp::reply(listener.as_fd(), &notice, reply);
        }
    }

    /// What becomes of a call; nothing if nobody cares.
    fn reply_to(&self, notice: &Notice) -> Option<Reply> {
        if !self.interception().armed {
            return None;
        }
        let system_call = table::find(notice.number)?;
        // First, and most calls end here: an updater looks at every process of the machine in `/proc`.
        let path = process::path_of(notice, system_call.subject)?;
        let path = path.strip_prefix(&self.root).ok()?;
        // That is what standard error happens to be.
        if path == Path::new("updater.log") || !process::is_updater(notice.thread, &self.config) {
            return None;
        }
        let path = with_stable_names(path);
        let thread = process::name(notice.thread)?;
        let mut interception = self.interception();
        let act = act_of(notice, system_call);
        let mut call = Call { thread, name: system_call.name, path, number: 1, act };
        call.number = interception.seen.iter().filter(|before| before.is_like(&call)).count() + 1;
        interception.seen.push(call.clone());
        let plan =
            interception.plans.iter_mut().find_map(|(when, fault)| when(&call).then_some(fault))?;
        let reply = plan.carry_out(notice, &self.config);
        // A lie is a state of affairs, and no event.
        if !matches!(plan, Fault::Lie) {
            interception.fired.push(call);
        }
        Some(reply)
    }
}

impl Fault {
    fn carry_out(&mut self, notice: &Notice, config: &Path) -> Reply {
        match self {
            Self::Kill => kill_updater(notice, config),
            Self::Error(errno) => return Reply::Fail(*errno as i32),
            Self::Short => return short(notice).map_or(Reply::Go, Reply::Return),
            Self::Lie => return Reply::Return(0),
            Self::Do(act) => {
                act();
                kill_updater(notice, config);
            }
        }
        // It is dead, and the call is not carried out.
        Reply::Fail(Errno::EINTR as i32)
    }
}

impl fmt::Debug for CallInterceptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CallInterceptor")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What it does, where its flags say more than its name.
fn act_of(notice: &Notice, system_call: &SystemCall) -> Effect {
    use nix::libc::{O_CREAT, O_TRUNC};
    let flags = match (system_call.act, system_call.name) {
        (Effect::Open, "open") => notice.arguments[1],
        (Effect::Open, "openat2") => {
            process::word_at(notice.thread, notice.arguments[2]).unwrap_or(0)
        }
        (Effect::Open, _) => notice.arguments[2],
        (act, _) => return act,
    };
    let makes = flags & u64::from((O_CREAT | O_TRUNC).cast_unsigned()) != 0;
    if makes { Effect::Make } else { Effect::Open }
}

/// All of it: from the one that nobody of its own kind has started, which would start another one,
/// down to the one that calls.
fn kill_updater(notice: &Notice, config: &Path) {
    let mut next = process::status(notice.thread, "Tgid");
    let mut found = Vec::new();
    while let Some(process) = next.filter(|process| process::is_updater(*process, config)) {
        found.push(process);
        next = process::status(process, "PPid");
    }
    for process in found.into_iter().rev() {
        let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
    }
}

/// Writes half of it, through the same open file.
fn short(notice: &Notice) -> Option<i64> {
    let owner = process::status(notice.thread, "Tgid")?;
    let [file, address, length, ..] = notice.arguments;
    let half = usize::try_from(length / 2).ok().filter(|half| *half > 0)?;
    let bytes = process::bytes_at(notice.thread, address, half)?;
    let file = descriptor::of_process(owner, process::number(file)).ok()?;
    nix::unistd::write(&file, &bytes).ok().and_then(|number| i64::try_from(number).ok())
}
