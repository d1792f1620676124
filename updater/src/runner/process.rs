//! The runner that starts the agent itself.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::FORMAT;

use super::instance::Record;
use super::members::{MARK, Signs};
use super::{AgentLog, Instance, Launch, RunnerError, stop};
use crate::config::{AppConfig, RunnerKind, Strategy};
use crate::sys::process::ProcessId;
use crate::sys::spawn::{Output, Spawn};
use crate::sys::user::User;
use crate::sys::{proc, remove_durably, wall_clock, write_durably};

/// What starts, stops and finds one app's agent. All of it blocks; for a plain thread.
pub trait Runner: Debug + Send + Sync {
    /// Starts a release. What is left of an agent that died is ended before; one that runs is an
    /// error.
    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError>;

    /// Ends all processes of an agent, also where its first one is dead already. Returns when all
    /// are gone.
    fn stop(&self, instance: &Instance, grace: Duration) -> Result<(), RunnerError>;

    /// Ends whatever was last started, whoever started it and whether its first process lives or
    /// not. When this returns, nothing of any start is left.
    fn clear(&self, grace: Duration) -> Result<(), RunnerError>;

    /// The agent that runs, whoever started it.
    fn find(&self) -> Result<Option<Instance>, RunnerError>;

    /// The last lines that an agent printed since it was started.
    fn output_tail(&self, instance: &Instance, lines: usize) -> Vec<String>;

    /// The agent's log.
    fn log(&self) -> &AgentLog;
}

/// The runner that an app's configuration asks for. `state` is the app's own state directory.
pub fn for_app(config: &AppConfig, state: &Path) -> Result<Box<dyn Runner>, RunnerError> {
    if config.run.kind == RunnerKind::Systemd {
        return Err(RunnerError::NotSupported("kind = \"systemd\""));
    }
    if config.run.strategy == Strategy::Handover {
        return Err(RunnerError::NotSupported("strategy = \"handover\""));
    }
    Ok(Box::new(ProcessRunner {
        user: config.user.clone(),
        record: state.join("instance.json"),
        log: AgentLog::new(state, config.run.log_bytes.0),
        current: Mutex::new(None),
    }))
}

#[derive(Debug)]
struct ProcessRunner {
    user: Option<String>,
    record: PathBuf,
    log: AgentLog,
    /// The agent that was last started or found, so that it is followed by one thread only.
    current: Mutex<Option<Instance>>,
}

impl Runner for ProcessRunner {
    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        if let Some(running) = self.find()? {
            return Err(RunnerError::Running { pid: running.process().pid });
        }
        self.clear(Duration::ZERO)?;
        let user = match &self.user {
            Some(name) => User::by_name(name)?,
            None => User::current()?,
        };
        if let Some(directory) = self.record.parent() {
            fs::create_dir_all(directory).map_err(|source| self.error("write", source))?;
        }
        let mut variables = launch.variables();
        let mark = new_mark().map_err(RunnerError::Follow)?;
        variables.insert(MARK.to_owned(), mark.clone());
        let mut spawn = Spawn::new(&launch.command, &launch.release_path, user, &variables)?;
        let (file, log_start) = self.log.open()?;
        spawn.output = Output::File(file);
        let mut record = Record {
            format: FORMAT,
            mark,
            leader: None,
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: wall_clock(),
            log_start,
        };
        // Before it is started: a crash in between must not leave an agent that nobody knows of.
        self.write(&record)?;
        let started = spawn.start().map_err(RunnerError::from).and_then(|child| {
            // Not reaped yet, so it has a line in `/proc` even if it is dead.
            let stat = proc::stat(child.id()).ok_or_else(gone)?;
            let leader = ProcessId::from_stat(&stat);
            record.leader = Some(leader.clone());
            let handle = leader.open().map_err(RunnerError::Follow)?.ok_or_else(gone)?;
            Instance::follow(record.clone(), handle)
        });
        let result = started.and_then(|instance| {
            self.write(&record)?;
            Ok(instance)
        });
        match result {
            Ok(instance) => {
                *self.current() = Some(instance.clone());
                Ok(instance)
            }
            Err(error) => {
                self.clear(Duration::ZERO)?;
                Err(error)
            }
        }
    }

    fn stop(&self, instance: &Instance, grace: Duration) -> Result<(), RunnerError> {
        stop::stop(instance.signs(), grace)?;
        let recorded = self.read()?.map(|record| record.variable());
        if recorded.as_ref() == Some(&instance.signs().mark) {
            remove_durably(&self.record).map_err(|source| self.error("remove", source))?;
        }
        self.current().take_if(|current| current.is_same(instance));
        Ok(())
    }

    fn clear(&self, grace: Duration) -> Result<(), RunnerError> {
        let Some(record) = self.read()? else { return Ok(()) };
        if let Some(leader) = record.find_leader()? {
            stop::stop(&Signs { leader, mark: record.variable() }, grace)?;
        }
        remove_durably(&self.record).map_err(|source| self.error("remove", source))?;
        *self.current() = None;
        Ok(())
    }

    fn find(&self) -> Result<Option<Instance>, RunnerError> {
        let mut current = self.current();
        if let Some(known) = current.as_ref().filter(|known| known.is_alive()) {
            return Ok(Some(known.clone()));
        }
        let Some(record) = self.read()? else { return Ok(None) };
        let Some(leader) = record.find_leader()?.filter(ProcessId::is_alive) else {
            return Ok(None);
        };
        let Some(handle) = leader.open().map_err(RunnerError::Follow)? else { return Ok(None) };
        let instance = Instance::follow(record, handle)?;
        *current = Some(instance.clone());
        Ok(Some(instance))
    }

    fn output_tail(&self, instance: &Instance, lines: usize) -> Vec<String> {
        self.log.tail(instance.log_start(), lines)
    }

    fn log(&self) -> &AgentLog {
        &self.log
    }
}

impl ProcessRunner {
    fn current(&self) -> MutexGuard<'_, Option<Instance>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Option<Record>, RunnerError> {
        let text = match fs::read(&self.record) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| self.error("read", source))?,
        };
        let record: Record =
            serde_json::from_slice(&text).map_err(|source| self.error("read", source.into()))?;
        if record.format > FORMAT {
            let newer = format!("it has format {}, this updater knows {FORMAT}", record.format);
            return Err(self.error("read", io::Error::other(newer)));
        }
        Ok(Some(record))
    }

    fn write(&self, record: &Record) -> Result<(), RunnerError> {
        let text = serde_json::to_vec_pretty(record)
            .map_err(|source| self.error("write", source.into()))?;
        write_durably(&self.record, &text).map_err(|source| self.error("write", source))
    }

    fn error(&self, act: &'static str, source: io::Error) -> RunnerError {
        RunnerError::File { act, path: self.record.clone(), source }
    }
}

fn gone() -> RunnerError {
    RunnerError::Follow(io::Error::from(io::ErrorKind::NotFound))
}

/// A name that no other start has.
fn new_mark() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}
