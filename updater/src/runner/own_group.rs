//! A control group of its own for an agent that is the updater's child: what it forks and fills is counted
//! there, and not with the updater.
//!
//! Where systemd runs it is a scope, made over D-Bus: the process stays the updater's child and keeps what
//! confines it. Elsewhere it is made below the updater's own group, if there is something to bound.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use common::failed_to;
use serde::{Deserialize, Serialize};

use super::transient::{Transient, group_name};
use crate::sys::Admission;
use crate::sys::control_group::{self, GroupLimits};
use crate::sys::proc::{self, Stat};
use crate::sys::process::ProcessId;

/// The group of one start, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OwnGroup {
    /// A scope of systemd's, by its name.
    Scope(String),
    /// Directories in the hierarchies of the controllers that bound it.
    Directories(Vec<PathBuf>),
}

/// What makes such groups for the agents of one app.
#[derive(Debug, Clone)]
pub(super) struct GroupMaker {
    pub(super) app: String,
    pub(super) limits: GroupLimits,
    pub(super) systemd: Option<Transient>,
    /// Why the last start has none.
    pub(super) refused: Arc<Mutex<Option<String>>>,
}

impl GroupMaker {
    /// Which group the start with this mark is to have; none where none can be had, or is needed.
    pub(super) fn plan(&self, mark: &str) -> Option<OwnGroup> {
        self.note(None);
        if let Some(systemd) = &self.systemd {
            return Some(OwnGroup::Scope(systemd.scope(mark)));
        }
        if self.limits.are_none() {
            return None;
        }
        match self.limits.directories(&self.name(mark)) {
            Ok(directories) => Some(OwnGroup::Directories(directories)),
            Err(error) => {
                self.note(Some(failed_to(&error)));
                None
            }
        }
    }

    /// Makes the group, with the process in it, before that becomes the agent. An agent without one is better
    /// than none: that it has none is said.
    pub(super) fn admission(&self, mark: &str, group: &OwnGroup) -> Admission {
        let (maker, mark, group) = (self.clone(), mark.to_owned(), group.clone());
        Admission::new(move |pid| {
            let made = match (&group, &maker.systemd) {
                (OwnGroup::Scope(_), Some(systemd)) => {
                    systemd.start_scope(&mark, pid).map_err(|error| failed_to(&error))
                }
                _ => maker.limits.admit(&maker.name(&mark), pid).map_err(|error| failed_to(&error)),
            };
            maker.note(made.err());
        })
    }

    /// That the limits do not hold for an agent that runs, where there are any: one that is in no group.
    pub(super) fn warning(&self, leader: Option<&ProcessId>, is_bounded: bool) -> Option<String> {
        let runs = leader.is_some_and(ProcessId::is_alive);
        if self.limits.are_none() || is_bounded || !runs {
            return None;
        }
        let why = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = why.unwrap_or_else(|| "it was started before they were set".to_owned());
        Some(format!("tasks and memory of [app.{}.run] do not bound the agent: {why}", self.app))
    }

    fn note(&self, refused: Option<String>) {
        if let Some(why) = &refused {
            let app = &self.app;
            tracing::warn!(%app, "{app}: the agent has no control group of its own: {why}");
        }
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// In a hierarchy that is unified as a whole, that is the group by which its processes are known, too:
    /// one, with these limits.
    fn name(&self, mark: &str) -> String {
        group_name(&self.app, mark)
    }
}

impl OwnGroup {
    /// Which of these processes are in it.
    pub(super) fn members(&self, all: &[Stat]) -> Vec<u32> {
        match self {
            Self::Scope(name) => {
                let pids = all.iter().map(|stat| stat.pid);
                pids.filter(|pid| control_group::is_in_unit(*pid, name)).collect()
            }
            Self::Directories(directories) => control_group::members(directories, all),
        }
    }

    /// Whether a process is in it.
    pub(super) fn holds(&self, pid: u32) -> bool {
        proc::stat(pid).is_some_and(|stat| !self.members(&[stat]).is_empty())
    }
}
