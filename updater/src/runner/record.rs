//! `instance.json`: the start of an agent that an updater wrote down, for the next updater.

use std::path::PathBuf;

use protocol::{Digest, FORMAT};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::log::LogPipe;
use super::members::{MARK, Signs, keeper_of};
use super::own_group::OwnGroup;
use super::successor::successor;
use super::units::{Started, TemplateInstance, mark_of};
use super::{Behaviour, Launch, RunnerError};
use crate::sys::proc::Stat;
use crate::sys::process::ProcessId;
use crate::sys::unified_group::UnifiedGroup;
use crate::sys::{proc, wall_clock};

/// One start, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    /// The value of the variable that marks its processes.
    pub(super) mark: String,
    /// Its first process, or the one that has taken the place of that one; absent while it is being started.
    #[serde(default)]
    pub(super) leader: Option<ProcessId>,
    /// When its first process started, in clock ticks since the machine was; absent for when `leader` did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<u64>,
    /// The user that it was started as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<u32>,
    /// The command that it was started with; empty where that was not written down, or units say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) command: Vec<String>,
    /// The directory of the control group that was made for it, where the updater started it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unified_group: Option<PathBuf>,
    /// The process to which all falls that it starts; absent of units, and of some starts by older updaters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keeper: Option<ProcessId>,
    /// The group that bounds it, where it is a child of the updater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) own_group: Option<OwnGroup>,
    /// The control group of the unit that was made for it, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    /// The units that were started, where the agent is units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) units: Vec<Started>,
    /// In which place of their template these are, where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) side: Option<TemplateInstance>,
    pub(super) digest: Digest,
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) release_path: PathBuf,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) started_at: OffsetDateTime,
    /// Where in the log its output begins.
    #[serde(default)]
    pub(super) log_start: u64,
    /// By what its output gets there; absent where it writes to the log itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) log: Option<LogPipe>,
    /// How it wants to be ended.
    #[serde(default)]
    pub(super) behaviour: Behaviour,
}

impl Record {
    /// A start of units that begins now; what systemd makes of them is not known yet.
    pub(super) fn of_units(launch: &Launch, side: Option<TemplateInstance>) -> Self {
        let begun = wall_clock();
        Self {
            format: FORMAT,
            mark: mark_of(begun),
            leader: None,
            since: None,
            user: None,
            command: Vec::new(),
            unified_group: None,
            keeper: None,
            own_group: None,
            group: None,
            units: Vec::new(),
            side,
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: begun,
            log_start: 0,
            log: None,
            behaviour: Behaviour::default(),
        }
    }

    /// The units that were started.
    pub(super) fn unit_names(&self) -> Vec<String> {
        self.units.iter().map(|unit| unit.name.clone()).collect()
    }

    /// As what else it was started than as these units (as a process, where there are none), in words.
    pub(super) fn former(&self, units: &[String]) -> Option<String> {
        let started = self.unit_names();
        let is_same = started.iter().all(|unit| units.contains(unit));
        match &started[..] {
            [] if units.is_empty() => None,
            [] => Some("the agent was started as a process".to_owned()),
            _ if is_same => None,
            _ => Some(format!("the agent was started as {}", started.join(", "))),
        }
    }

    /// The first process, also where the updater was killed between starting it and writing its
    /// number down: then it is the one that carries the mark, leads its session, and is in its group.
    /// Where that cannot be told, it must not be taken that there is none.
    pub(super) fn find_leader(&self) -> Result<Option<ProcessId>, RunnerError> {
        if let Some(leader) = &self.leader {
            return Ok(Some(leader.clone()));
        }
        let group = self.unified_group.clone().map(UnifiedGroup::at);
        let inside = group.map(|group| group.members()).transpose().map_err(RunnerError::Follow)?;
        let is_inside = |pid| inside.as_ref().is_none_or(|inside| inside.contains(&pid));
        let mark = self.variable();
        let carries = |pid| {
            let is_its = self.user.is_none_or(|user| proc::user(pid) == Some(user));
            is_its && proc::was_given(pid, &mark)
        };
        let leads =
            |stat: &&Stat| stat.pid == stat.session && is_inside(stat.pid) && carries(stat.pid);
        let all = proc::all().map_err(RunnerError::Follow)?;
        Ok(all.iter().find(leads).map(ProcessId::from_stat))
    }

    /// The process that leads it now: the one that is written down, or one that has taken its place while no
    /// updater looked.
    pub(super) fn living_leader(&self) -> Result<Option<ProcessId>, RunnerError> {
        let Some(leader) = self.find_leader()? else { return Ok(None) };
        if leader.is_alive() || self.group.is_some() || !self.units.is_empty() {
            return Ok(Some(leader));
        }
        let left = self.signs(Some(leader.clone())).members().map_err(RunnerError::Follow)?;
        Ok(Some(successor(&leader, leader.pid, None, &left).unwrap_or(leader)))
    }

    /// What tells its processes from all others.
    pub(super) fn signs(&self, leader: Option<ProcessId>) -> Signs {
        let groups = self.units.iter().map(|unit| unit.control_group.clone());
        let groups = groups.chain(self.group.clone()).filter(|group| !group.is_empty()).collect();
        let started = leader.as_ref().map(|leader| leader.start_time);
        Signs {
            since: self.since.or(started).unwrap_or_default(),
            mark: self.variable(),
            user: self.user,
            groups,
            own_group: self.own_group.clone(),
            unified: self.unified_group.clone().map(UnifiedGroup::at),
            keeper: self.keeper.clone().or_else(|| keeper_of(leader.as_ref()?)),
            leader,
        }
    }

    /// `RELEASE_INSTANCE=…`, as it stands in the environment.
    pub(super) fn variable(&self) -> String {
        format!("{MARK}={}", self.mark)
    }
}
