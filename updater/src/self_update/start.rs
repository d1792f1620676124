//! Starting an updater, with the listening socket and a channel to whoever starts it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::self_update::{CANDIDATE, CHANNEL_FD, Channel, LISTEN_FD};
use crate::sys::CRASH_AT;
use crate::sys::spawn::{Lifetime, Output, Spawn, SpawnError};
use crate::sys::user::User;

/// What is for one process and nobody that it starts: sockets and watchdog by `sd_listen_fds(3)` and
/// `sd_watchdog_enabled(3)`, and what this program itself says so.
const NOT_PASSED_ON: [&str; 6] =
    [CRASH_AT, CANDIDATE, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// Which updater, and how.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) config: &'a Path,
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
    let mut environment = passed_on(std::env::vars_os());
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

/// The environment of this process, but for what is for it alone. Nothing that an updater reads is
/// not UTF-8, and what else an administrator has set so must not keep one from starting.
fn passed_on(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !NOT_PASSED_ON.contains(&name.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_variable_that_is_no_text_keeps_no_updater_from_starting() {
        let odd = OsString::from_vec(vec![0xff]);
        let variables = [
            ("LANG".into(), "C".into()),
            ("ODD".into(), odd.clone()),
            (odd, "x".into()),
            (CANDIDATE.into(), "1".into()),
        ];
        let passed = passed_on(variables.into_iter());
        assert_eq!(passed, BTreeMap::from([("LANG".to_owned(), "C".to_owned())]));
    }
}
