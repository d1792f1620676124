//! A process below a keeper that outlives this one: all that the process starts falls to the keeper,
//! whatever sessions it makes, and the keeper ends with the last of them.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::proc;
use super::process::{ProcessHandle, ProcessId};
use super::spawn::Spawn;
use super::spawn_error::SpawnError;

/// What a keeper is called, in `/proc/<pid>/comm`.
pub const KEEPER: &str = "agent-keeper";

/// What the keeper of a process tells of it. Dropped, both live on.
#[derive(Debug)]
pub struct Kept {
    report: UnixStream,
}

impl Spawn {
    /// Starts it below a keeper of its own. Says which process that is, a child of this one, and which is the
    /// one that was started, dead or alive.
    pub fn start_kept(mut self) -> Result<(Kept, ProcessId, ProcessHandle), SpawnError> {
        let program = self.program.clone();
        let failed = |source| SpawnError::Inherit { program: program.clone(), source };
        let (mut report, keepers) = UnixStream::pair().map_err(failed)?;
        self.report = Some(keepers);
        let keeper = identify(self.start()?.id()).map_err(failed)?;
        let first = number(&mut report).and_then(|pid| identify(pid.cast_unsigned()));
        let first = first.and_then(|first| first.open()?.ok_or_else(gone)).map_err(failed)?;
        report.write_all(&[0]).map_err(failed)?;
        Ok((Kept { report }, keeper, first))
    }
}

impl Kept {
    /// How the process ended, once it has; `None` if its keeper was killed. Blocks until then.
    pub fn status(mut self) -> Option<ExitStatus> {
        number(&mut self.report).ok().map(ExitStatus::from_raw)
    }
}

fn number(report: &mut UnixStream) -> io::Result<i32> {
    let mut bytes = [0; 4];
    report.read_exact(&mut bytes)?;
    Ok(i32::from_ne_bytes(bytes))
}

fn identify(pid: u32) -> io::Result<ProcessId> {
    Ok(ProcessId::from_stat(&proc::stat(pid).ok_or_else(gone)?))
}

fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rustix::process::Signal;

    use super::*;
    use crate::exits::Exits;
    use crate::user::User;

    fn kept(script: &str) -> (Kept, ProcessId, ProcessHandle) {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let user = User::current().unwrap();
        Spawn::new(&command, "/".as_ref(), user, &BTreeMap::new()).unwrap().start_kept().unwrap()
    }

    fn children_of(pid: u32) -> Vec<ProcessId> {
        let all = proc::all().unwrap().into_iter();
        all.filter(|stat| stat.parent == pid).map(|stat| ProcessId::from_stat(&stat)).collect()
    }

    #[test]
    fn a_keeper_tells_the_end_of_its_child_and_ends_with_the_last_that_fell_to_it() {
        let (kept, keeper, first) = kept("(setsid sleep 1000 &) ; exit 3");
        assert_eq!(kept.status().unwrap().code(), Some(3));
        assert!(!first.id().is_alive());
        assert_eq!(
            (proc::name(keeper.pid), proc::arguments(keeper.pid).concat()),
            (KEEPER.to_owned(), String::new())
        );
        let fallen = children_of(keeper.pid);
        assert_eq!(fallen.len(), 1);
        let keeper = keeper.open().unwrap().unwrap();
        fallen[0].open().unwrap().unwrap().signal(Signal::KILL).unwrap();
        keeper.wait(None).unwrap();
        assert!(keeper.reap().is_some() && !fallen[0].is_alive());
    }

    #[test]
    fn a_keeper_writes_down_how_each_process_ended_that_fell_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let exits = Exits::at(directory.path().join("exits"));
        let number = directory.path().join("number");
        let script = format!("sh -c 'echo $$ > {}; kill -9 $$' & exit 3", number.display());
        let command = ["/bin/sh", "-c", &script];
        let command = command.map(str::to_owned);
        let user = User::current().unwrap();
        let mut spawn = Spawn::new(&command, "/".as_ref(), user, &BTreeMap::new()).unwrap();
        spawn.exits = Some(exits.create().unwrap());
        let (kept, keeper, first) = spawn.start_kept().unwrap();
        first.wait(None).unwrap();
        let exit = exits.of_ended(first.id(), &keeper).unwrap();
        assert_eq!((exit.status.code(), kept.status().unwrap().code()), (Some(3), Some(3)));
        let keeper = keeper.open().unwrap().unwrap();
        keeper.wait(None).unwrap();
        keeper.reap();
        let orphan = std::fs::read_to_string(number).unwrap().trim().parse().unwrap();
        assert_eq!(exits.of(orphan).unwrap().status.signal(), Some(9));
    }

    #[test]
    fn a_keeper_that_is_asked_to_ends_all_that_it_keeps() {
        let (kept, keeper, first) = kept("trap '' TERM; setsid sleep 1000 & sleep 1000");
        let keeper = keeper.open().unwrap().unwrap();
        keeper.signal(Signal::TERM).unwrap();
        assert_eq!(kept.status().unwrap().signal(), Some(9), "it tells of what it has ended, too");
        keeper.wait(None).unwrap();
        assert!(keeper.reap().is_some());
        assert!(!first.id().is_alive());
        assert!(children_of(std::process::id()).is_empty());
    }

    #[test]
    fn one_that_ends_at_once_is_seen_and_what_cannot_be_started_leaves_no_keeper() {
        let (kept, keeper, first) = kept("exit 5");
        assert!(first.wait(None).unwrap());
        assert_eq!(kept.status().unwrap().code(), Some(5));
        let keeper = keeper.open().unwrap().unwrap();
        keeper.wait(None).unwrap();
        assert_eq!(keeper.reap().unwrap().code(), Some(5));
        let command = ["/bin/true".to_owned()];
        let user = User::current().unwrap();
        let mut spawn = Spawn::new(&command, "/".as_ref(), user, &BTreeMap::new()).unwrap();
        spawn.program = "/no/such/program".into();
        assert!(matches!(spawn.start_kept(), Err(SpawnError::Start { .. })));
        assert!(children_of(std::process::id()).is_empty());
    }
}
