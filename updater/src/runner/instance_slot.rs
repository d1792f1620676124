//! The slot of one start of an agent: its record on the disk, and the agent that is followed here.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{chain, state_file, sync_directory};
use protocol::FORMAT;

use super::instance::Record;
use super::transient::Transient;
use super::{Instance, Killed, RunnerError, stop};
use crate::sys::process::{ProcessHandle, ProcessId};

#[derive(Debug)]
pub(super) struct InstanceSlot {
    record: PathBuf,
    /// How long killed processes may take to be gone.
    pub(super) kill_timeout: Duration,
    /// How it is made a unit of its own, and ended, where that can be.
    pub(super) transient: Option<Transient>,
    /// The agent that was last started or found, so that it is followed by one thread only.
    current: Mutex<Option<Instance>>,
}

impl InstanceSlot {
    pub(super) fn new(
        record: PathBuf,
        kill_timeout: Duration,
        transient: Option<Transient>,
    ) -> Self {
        Self { record, kill_timeout, transient, current: Mutex::new(None) }
    }

    /// The agent that lives there, started by this updater or an earlier one.
    pub(super) fn find(&self) -> Result<Option<Instance>, RunnerError> {
        let mut current = self.current();
        if let Some(known) = current.as_ref().filter(|known| known.is_alive()) {
            return Ok(Some(known.clone()));
        }
        let Some(record) = self.read()? else { return Ok(None) };
        let Some(leader) = record.find_leader()?.filter(ProcessId::is_alive) else {
            return Ok(None);
        };
        let Some(handle) = leader.open().map_err(RunnerError::Follow)? else { return Ok(None) };
        let instance = self.followed(record, handle)?;
        *current = Some(instance.clone());
        Ok(Some(instance))
    }

    /// The agent that is followed here already, if it lives.
    pub(super) fn living(&self) -> Option<Instance> {
        self.current().as_ref().filter(|known| known.is_alive()).cloned()
    }

    /// Follows what is written down.
    pub(super) fn followed(
        &self,
        record: Record,
        leader: ProcessHandle,
    ) -> Result<Instance, RunnerError> {
        let unit = self.transient.clone().filter(|_| record.group.is_some());
        let mark = record.mark.clone();
        Instance::follow(record, leader, move || unit?.how_it_ended(&mark))
    }

    /// Whether a start is written down, alive or not.
    pub(super) fn is_taken(&self) -> Result<bool, RunnerError> {
        self.record.try_exists().map_err(|source| self.error("look for", source))
    }

    /// Ends all processes of what was last started here. Returns when all are gone.
    pub(super) fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let Some(record) = self.read()? else { return Ok(None) };
        let mut killed = None;
        // Units were stopped by the runner that knows them.
        if record.units.is_empty() {
            killed = self.end(&record, record.find_leader()?, grace)?;
        }
        self.forget()?;
        Ok(killed)
    }

    /// Ends all processes of a start, and whatever is about to become one.
    fn end(
        &self,
        record: &Record,
        leader: Option<ProcessId>,
        grace: Duration,
    ) -> Result<Option<Killed>, RunnerError> {
        let behaviour = &record.behaviour;
        let unit = self.transient.as_ref().filter(|_| record.group.is_some());
        let ended = match unit.map(|unit| unit.end(&record.mark, behaviour, grace)) {
            // Without a first process, systemd alone knows whether there will be one.
            Some(Err(error)) if leader.is_none() => return Err(error.into()),
            Some(Err(error)) => {
                tracing::warn!("the agent's processes are ended one by one: {}", chain(&error));
                None
            }
            Some(Ok(killed)) => killed,
            None => None,
        };
        // systemd gives up on what hangs in the kernel, and says nothing.
        let Some(leader) = leader else { return Ok(ended) };
        let left = stop::stop(&record.signs(leader), behaviour, grace, self.kill_timeout)?;
        Ok(ended.or(left))
    }

    /// Nothing is left of what was last started here.
    fn forget(&self) -> Result<(), RunnerError> {
        state_file::remove(&self.record)?;
        *self.current() = None;
        Ok(())
    }

    /// Ends all processes of an agent, and forgets it if it is the one of this place.
    pub(super) fn stop(
        &self,
        instance: &Instance,
        grace: Duration,
    ) -> Result<Option<Killed>, RunnerError> {
        let killed = self.end(instance.record(), Some(instance.process().clone()), grace)?;
        let recorded = self.read()?.map(|record| record.variable());
        if recorded.as_ref() == Some(&instance.signs().mark) {
            state_file::remove(&self.record)?;
        }
        self.current().take_if(|current| current.is_same(instance));
        Ok(killed)
    }

    /// Makes the directory that it is in.
    pub(super) fn prepare(&self) -> Result<(), RunnerError> {
        let made = self.record.parent().map_or(Ok(()), fs::create_dir_all);
        made.map_err(|source| self.error("write", source))
    }

    /// Writes a start down.
    pub(super) fn write(&self, record: &Record) -> Result<(), RunnerError> {
        Ok(state_file::write(&self.record, record)?)
    }

    /// From now on this agent is the one of this place.
    pub(super) fn follow(&self, instance: Instance) {
        *self.current() = Some(instance);
    }

    /// Takes over the start of another place, by one rename. Nothing may be left of its own.
    pub(super) fn take_over(&self, other: &Self) -> Result<(), RunnerError> {
        let moved = fs::rename(&other.record, &self.record)
            .and_then(|()| self.record.parent().map_or(Ok(()), sync_directory));
        moved.map_err(|source| self.error("write", source))?;
        *self.current() = other.current().take();
        Ok(())
    }

    pub(super) fn current(&self) -> MutexGuard<'_, Option<Instance>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was last started here, as it was written down.
    pub(super) fn read(&self) -> Result<Option<Record>, RunnerError> {
        Ok(state_file::read(&self.record, FORMAT)?)
    }

    fn error(&self, act: &'static str, source: io::Error) -> RunnerError {
        RunnerError::File { act, path: self.record.clone(), source }
    }
}
