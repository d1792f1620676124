//! Agents of ours that no file names: what is done with one that was found.

use std::time::Duration;

use protocol::FORMAT;

use super::members::keeper_of;
use super::process::ProcessRunner;
use super::record::Record;
use super::strays::Stray;
use super::{Behaviour, RunnerError, stop};
use crate::sys::{proc, wall_clock};

impl ProcessRunner {
    pub(super) fn end_stray(&self, stray: &Stray, grace: Duration) -> Result<(), RunnerError> {
        let (pid, release) = (stray.leader.pid, stray.digest.short());
        tracing::warn!("an agent of {release} that no file names is ended: process {pid}");
        let behaviour = Behaviour::default();
        self.serving.exits(&stray.mark).remove();
        let killed = stop::stop(
            &stray.signs(&self.serving.grouping.app),
            &behaviour,
            grace,
            self.serving.kill_timeout,
        )?;
        killed.inspect(|killed| tracing::warn!("{killed}"));
        Ok(())
    }

    pub(super) fn adopt(&self, stray: Stray) -> Result<(), RunnerError> {
        let (pid, release) = (stray.leader.pid, stray.digest.short());
        let Some(handle) = stray.leader.open().map_err(RunnerError::Follow)? else { return Ok(()) };
        let groups = proc::control_groups(pid);
        let group = self.serving.transient.as_ref().map(|unit| unit.group(&stray.mark));
        let unified =
            stray.unified(&self.serving.grouping.app).map(|group| group.directory().to_owned());
        let record = Record {
            format: FORMAT,
            group: group.filter(|group| groups.contains(group)),
            own_group: self.groups.plan(&stray.mark).filter(|group| group.holds(pid)),
            mark: stray.mark,
            since: Some(stray.leader.start_time),
            user: Some(stray.user),
            command: Vec::new(),
            unified_group: unified,
            keeper: keeper_of(&stray.leader),
            leader: Some(stray.leader),
            units: Vec::new(),
            side: None,
            digest: stray.digest,
            version: stray.version,
            release_path: stray.release_path,
            started_at: wall_clock(),
            reloaded: None,
            log_start: 0,
            log: None,
            behaviour: Behaviour::default(),
        };
        self.serving.prepare()?;
        self.serving.write(&record)?;
        let instance = self.serving.followed(record, handle, None)?;
        self.serving.follow(instance);
        tracing::warn!("an agent of {release} that no file named was found again: process {pid}");
        Ok(())
    }
}
