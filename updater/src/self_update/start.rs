//! Starting an updater, with the listening socket and a channel to the process that starts it.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::environment::{CANDIDATE, CHANNEL_FD, LISTEN_FD};
use crate::self_update::Channel;
use crate::sys::CRASH_AT;
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
    /// The checkpoint at which it is to die; for tests.
    pub(super) crash_at: Option<String>,
}

/// An updater that was started.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) channel: Channel,
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
    if start.candidate {
        environment.insert(CANDIDATE.to_owned(), "1".to_owned());
    }
    let words = [start.program, Path::new("run"), Path::new("--config"), start.config];
    let command = words.map(|word| word.display().to_string());
    let user = User::current().map_err(|error| prepare(io::Error::other(error)))?;
    let spawn = Spawn::new(&command, Path::new("/"), user, &environment)?;
    let mut spawn = Spawn { output: Output::Same, lifetime: start.lifetime, ..spawn };
    spawn.pass_sockets(start.sockets);
    for (name, descriptor) in [(LISTEN_FD, socket), (CHANNEL_FD, theirs.into())] {
        let number = spawn.pass(descriptor);
        spawn.environment.insert(name.to_owned(), number.to_string());
    }
    Ok(Started { child: spawn.start()?, channel })
}
