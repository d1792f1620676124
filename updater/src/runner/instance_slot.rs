//! The slot of one start of an agent: its record on the disk, and the agent that is followed here.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{chain, state_file, sync_directory};
use protocol::FORMAT;

use super::instance::Ends;
use super::members::names;
use super::own_group::OwnGroup;
use super::record::Record;
use super::transient::{Transient, group_name};
use super::{Instance, Killed, RunnerError, stop};
use crate::sys::control_group;
use crate::sys::exits::Exits;
use crate::sys::kept::Kept;
use crate::sys::process::{ProcessHandle, ProcessId, boot_id};
use crate::sys::unified_group::UnifiedGroup;

/// How an agent is started that is no unit, and its processes held together.
#[derive(Debug, Clone, Default)]
pub(super) struct Grouping {
    /// The app, which the control group is named after.
    pub(super) app: String,
    /// Whether a control group is made where one can be had.
    pub(super) wanted: bool,
    /// How long it may take to go to the background.
    pub(super) start_timeout: Duration,
}

#[derive(Debug)]
pub(super) struct InstanceSlot {
    record: PathBuf,
    /// How long killed processes may take to be gone.
    pub(super) kill_timeout: Duration,
    /// How it is made a unit of its own, and ended, where that can be.
    pub(super) transient: Option<Transient>,
    pub(super) grouping: Grouping,
    /// The agent that was last started or found, so that it is followed by one thread only.
    current: Mutex<Option<Instance>>,
}

impl InstanceSlot {
    pub(super) fn new(
        record: PathBuf,
        kill_timeout: Duration,
        transient: Option<Transient>,
        grouping: Grouping,
    ) -> Self {
        Self { record, kill_timeout, transient, grouping, current: Mutex::new(None) }
    }

    /// A control group for the start of this mark, where one can be had.
    pub(super) fn make_group(&self, mark: &str) -> Option<UnifiedGroup> {
        let Grouping { app, wanted, .. } = &self.grouping;
        let made = wanted.then(|| UnifiedGroup::create(&group_name(app, mark)))?;
        let told = |error: &io::Error| {
            tracing::debug!("{app}: the agent has a keeper alone, and no control group: {error}");
        };
        made.inspect_err(told).ok()
    }

    /// The file to which the keeper of the start of this mark writes how its processes ended. An agent of
    /// which that cannot be learned later is better than none.
    pub(super) fn make_exits(&self, mark: &str) -> Option<File> {
        let app = &self.grouping.app;
        let told = |error: &io::Error| {
            tracing::warn!("{app}: how the agent ends is known to this updater alone: {error}");
        };
        self.exits(mark).create().inspect_err(told).ok()
    }

    /// The agent that lives there, started by this updater or an earlier one.
    pub(super) fn find(&self) -> Result<Option<Instance>, RunnerError> {
        let mut current = self.current();
        current.as_ref().inspect(|known| known.settle());
        if let Some(known) = current.as_ref().filter(|known| known.is_alive()) {
            return Ok(Some(known.clone()));
        }
        let Some(record) = self.read()? else { return Ok(None) };
        let Some(leader) = record.living_leader()?.filter(ProcessId::is_alive) else {
            return Ok(None);
        };
        let Some(handle) = leader.open().map_err(RunnerError::Follow)? else { return Ok(None) };
        if let Some(unit) = self.transient.as_ref().filter(|_| record.group.is_some()) {
            unit.remember(&record.mark)?;
        }
        let instance = self.followed(record, handle, None)?;
        *current = Some(instance.clone());
        Ok(Some(instance))
    }

    /// The agent that is written down, where it has ended while no updater followed it, and its keeper has
    /// written down how.
    pub(super) fn ended_unseen(&self) -> Result<Option<Instance>, RunnerError> {
        let Some(record) = self.read()? else { return Ok(None) };
        if self.current().as_ref().is_some_and(|known| known.is_of(&record)) {
            return Ok(None);
        }
        let leader = record.living_leader()?;
        // After a restart of the machine, no number means what it meant.
        let ended = leader.filter(|leader| !leader.is_alive() && leader.boot_id == boot_id());
        let (Some(leader), Some(keeper)) = (ended, &record.keeper) else { return Ok(None) };
        let exit = self.exits(&record.mark).of_ended(&leader, keeper);
        Ok(exit.map(|exit| Instance::ended(record, leader, exit)))
    }

    /// What the keeper of a start writes down.
    pub(super) fn exits(&self, mark: &str) -> Exits {
        Exits::at(self.record.with_file_name(format!("exits-{mark}")))
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
        kept: Option<Kept>,
    ) -> Result<Instance, RunnerError> {
        let unit = self.transient.clone().filter(|_| record.group.is_some());
        let mark = record.mark.clone();
        let ends = Ends { kept, exits: self.exits(&mark) };
        Instance::follow(record, leader, ends, move || unit?.how_it_ended(&mark))
    }

    /// Whether a process is of the start that is written down, be its first process alive or not.
    pub(super) fn has_left(&self, pid: u32) -> bool {
        let Ok(Some(record)) = self.read() else { return false };
        let Ok(leader) = record.find_leader() else { return false };
        let members = record.signs(leader).members().unwrap_or_default();
        members.iter().any(|stat| stat.pid == pid)
    }

    /// Whether a start is written down, alive or not.
    pub(super) fn is_taken(&self) -> Result<bool, RunnerError> {
        self.record.try_exists().map_err(|source| self.error("look for", source))
    }

    /// Ends all processes of what was last started here. Returns when all are gone.
    pub(super) fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let Some(record) = self.read()? else { return Ok(None) };
        let mut killed = None;
        // Units were stopped by the runner that knows them, where there is one.
        if record.units.is_empty() {
            // It may be led by another process than is written down.
            let known = self.living().filter(|known| known.is_of(&record));
            let leader = match known {
                Some(known) => Some(known.process()),
                None => record.living_leader()?,
            };
            killed = self.end(&record, leader, grace)?;
        } else if let Some(systemd) = &self.transient {
            // The configuration said then that the agent is units.
            for unit in record.unit_names() {
                killed = systemd.end_unit(unit, None, grace)?.or(killed);
            }
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
        // What is ended has not died, though this updater may be killed before it has said so.
        self.exits(&record.mark).remove();
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
        if leader.is_none() && record.unified_group.is_none() {
            return Ok(ended);
        }
        // systemd gives up on what hangs in the kernel, and says nothing.
        let signs = record.signs(leader);
        if signs.leader.as_ref().is_none_or(|leader| !leader.is_alive()) {
            let left = names(&signs.members().map_err(RunnerError::Follow)?);
            if !left.is_empty() {
                tracing::warn!("what a dead agent has left is ended: {left}");
            }
        }
        let killed = match stop::stop(&signs, behaviour, grace, self.kill_timeout) {
            // What forks faster than it can be looked at.
            Err(RunnerError::Stuck { .. }) if self.end_scope(record) => {
                stop::stop(&signs, behaviour, Duration::ZERO, self.kill_timeout)?
            }
            stopped => stopped?,
        };
        if let Some(OwnGroup::Directories(directories)) = &record.own_group {
            control_group::remove(directories);
        }
        signs.unified.inspect(UnifiedGroup::remove);
        Ok(ended.or(killed))
    }

    /// Has systemd kill all of a scope. Whether there is one, and it did. Not asked where the processes can
    /// be ended one by one: the way back does not wait for D-Bus.
    fn end_scope(&self, record: &Record) -> bool {
        let Some(OwnGroup::Scope(name)) = &record.own_group else { return false };
        let Some(systemd) = &self.transient else { return false };
        let ended = systemd.end_unit(name.clone(), None, Duration::ZERO);
        ended.inspect_err(|error| tracing::warn!("{name} is not ended: {}", chain(error))).is_ok()
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
        let killed = self.end(instance.record(), Some(instance.process()), grace)?;
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
