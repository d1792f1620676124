//! Starting an updater, with the listening socket and a channel to the process that starts it.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

use crate::environment::{CANDIDATE, CHANNEL_FD, LISTEN_FD};
use crate::self_update::Channel;
use crate::sys::CRASH_AT;
use crate::sys::proc::{self, was_given};
use crate::sys::spawn::{Output, Spawn};
use crate::sys::user::User;
use crate::sys::{Lifetime, SpawnError};

/// Which updater, and how.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) config: &'a Path,
    /// The environment that it inherits.
    pub(super) environment: &'a BTreeMap<String, String>,
    pub(super) socket: &'a TcpListener,
    /// The sockets of apps that are handed down to it, with their names.
    pub(super) sockets: Vec<(String, OwnedFd)>,
    /// Whether an older one is still in charge.
    pub(super) candidate: bool,
    pub(super) lifetime: Lifetime,
    /// Where what it prints goes.
    pub(super) output: Output,
    /// The checkpoint at which it is to die; for tests.
    pub(super) crash_at: Option<String>,
}

/// An updater that was started.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) channel: Channel,
    /// By which what a candidate has started is known, whatever sessions it made.
    pub(super) mark: Option<CandidateMark>,
}

/// `UPDATER_CANDIDATE=…`, with a value that no other candidate has.
#[derive(Debug, Clone)]
pub(super) struct CandidateMark(String);

/// Looks for what a candidate has left, at most: what forks quicker than it is ended goes on.
const ROUNDS: u32 = 20;

impl CandidateMark {
    fn new() -> Self {
        Self(Uuid::now_v7().simple().to_string())
    }

    /// Ends what carries the mark.
    pub(super) fn end_all(&self) {
        let variable = format!("{CANDIDATE}={}", self.0);
        for _ in 0..ROUNDS {
            let all = proc::all().unwrap_or_default();
            let left = all.iter().filter(|stat| !stat.is_dead() && was_given(stat.pid, &variable));
            let ended = left.filter_map(|stat| {
                let pid = Pid::from_raw(stat.pid.cast_signed());
                kill(pid, Signal::SIGKILL).ok()
            });
            if ended.count() == 0 {
                return;
            }
        }
        tracing::warn!("something that a new updater has started may run on");
    }
}

/// Why it cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program, or the system refused it.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It cannot be given what it needs.
    #[error("start {program}", program = program.display())]
    Prepare { program: PathBuf, source: io::Error },
}

pub(super) fn start_updater(start: Start<'_>) -> Result<Started, StartError> {
    let prepare = |source| StartError::Prepare { program: start.program.to_owned(), source };
    let (channel, theirs) = Channel::pair().map_err(prepare)?;
    let socket: OwnedFd = start.socket.try_clone().map_err(prepare)?.into();
    let mut environment = start.environment.clone();
    environment.extend(start.crash_at.map(|name| (CRASH_AT.to_owned(), name)));
    let mark = start.candidate.then(CandidateMark::new);
    environment.extend(mark.iter().map(|mark| (CANDIDATE.to_owned(), mark.0.clone())));
    let words = [start.program, Path::new("run"), Path::new("--config"), start.config];
    let command = words.map(|word| word.display().to_string());
    let user = User::current().map_err(|error| prepare(io::Error::other(error)))?;
    let spawn = Spawn::new(&command, Path::new("/"), user, &environment)?;
    let mut spawn = spawn;
    (spawn.output, spawn.lifetime) = (start.output, start.lifetime);
    spawn.pass_sockets(start.sockets);
    for (name, descriptor) in [(LISTEN_FD, socket), (CHANNEL_FD, theirs.into())] {
        let number = spawn.pass(descriptor);
        spawn.environment.insert(name.to_owned(), number.to_string());
    }
    Ok(Started { child: spawn.start()?, channel, mark })
}
