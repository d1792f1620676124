//! Which processes belong to a start of an agent.
//!
//! All that are in the control groups that were made for it, or that have fallen to its keeper. Besides, and
//! where an older updater has started it, those in the session or the group of its first process; those that
//! carry its mark in the environment that they were started with; and all descendants of these. Where units
//! were started, all that is in their control groups, and nothing else.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use rustix::process::{Signal, getuid};

use super::own_group::OwnGroup;
use crate::sys::kept::KEEPER;
use crate::sys::proc::{self, Stat};
use crate::sys::process::{ProcessId, boot_id};
use crate::sys::unified_group::UnifiedGroup;

/// The variable that marks the processes of one start.
pub(super) const MARK: &str = "RELEASE_INSTANCE";

/// What tells the processes of one start from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signs {
    /// Its first process, or the one that has taken the place of that one; none before it is known.
    pub(super) leader: Option<ProcessId>,
    /// None of its processes began before this, in clock ticks since the machine was started.
    pub(super) since: u64,
    /// `RELEASE_INSTANCE=…`.
    pub(super) mark: String,
    /// The user that its first process was started as: of another one the mark proves nothing. Not known of a
    /// start by an older updater.
    pub(super) user: Option<u32>,
    /// The control groups of its units; none where the updater started it itself.
    pub(super) groups: Vec<String>,
    /// The group that was made for it, where it is the updater's child.
    pub(super) own_group: Option<OwnGroup>,
    /// The control group that was made for it.
    pub(super) unified: Option<UnifiedGroup>,
    /// The process to which all that it starts falls.
    pub(super) keeper: Option<ProcessId>,
}

impl Signs {
    /// All that is in these control groups.
    pub(super) fn of_groups(groups: Vec<String>) -> Self {
        Self {
            leader: None,
            since: 0,
            mark: String::new(),
            user: None,
            groups,
            own_group: None,
            unified: None,
            keeper: None,
        }
    }

    /// All living processes of this start.
    pub(super) fn members(&self) -> io::Result<Vec<Stat>> {
        // After a restart of the machine, no number means what it meant.
        if self.leader.as_ref().is_some_and(|leader| leader.boot_id != boot_id()) {
            return Ok(Vec::new());
        }
        if !self.groups.is_empty() {
            return self.grouped();
        }
        let all: Vec<Stat> =
            proc::all()?.into_iter().filter(|stat| stat.start_time >= self.since).collect();
        let inside = self.unified.as_ref().map(UnifiedGroup::members).transpose()?;
        let inside = BTreeSet::from_iter(inside.unwrap_or_default());
        let keeper = self.keeper.as_ref().filter(|keeper| keeper.is_alive());
        let keeper = keeper.map(|keeper| keeper.pid);
        let is_kept = |stat: &Stat| inside.contains(&stat.pid) || keeper == Some(stat.parent);
        let leader_there = all.iter().any(|stat| self.is_leader(stat));
        let mut members: BTreeSet<u32> = all
            .iter()
            .filter(|stat| is_kept(stat) || self.is_leader(stat) || self.shows(stat, leader_there))
            .map(|stat| stat.pid)
            .collect();
        members.extend(self.own_group.iter().flat_map(|group| group.members(&all)));
        loop {
            let before = members.len();
            members.extend(
                all.iter()
                    .filter(|stat| members.contains(&stat.parent))
                    .map(|stat| stat.pid)
                    .collect::<Vec<_>>(),
            );
            if members.len() == before {
                break;
            }
        }
        members.remove(&std::process::id());
        Ok(all.into_iter().filter(|stat| members.contains(&stat.pid) && !stat.is_dead()).collect())
    }

    /// Waits until nothing is left of it by the kernel's own count: a look at all processes misses what forks
    /// on and on. `false` if the deadline came first.
    pub(super) fn all_gone(&self, deadline: Instant) -> io::Result<bool> {
        if let Some(group) = &self.unified
            && !group.wait_empty(deadline)?
        {
            return Ok(false);
        }
        // It ends with the last that has fallen to it.
        let keeper = self.keeper.as_ref().map(ProcessId::open).transpose()?.flatten();
        keeper.map_or(Ok(true), |keeper| keeper.wait(Some(deadline)))
    }

    /// Kills what can be killed at once, those too that are just being forked.
    pub(super) fn kill_at_once(&self) -> io::Result<()> {
        if let Some(group) = &self.unified {
            group.kill();
        }
        if let Some(keeper) = self.keeper.as_ref().map(ProcessId::open).transpose()?.flatten() {
            // It kills all that has fallen to it, and ends.
            keeper.signal(Signal::TERM)?;
        }
        Ok(())
    }

    fn grouped(&self) -> io::Result<Vec<Stat>> {
        let mut members = proc::all()?;
        let is_ours = |group: &String| self.groups.iter().any(|own| is_within(group, own));
        members
            .retain(|stat| !stat.is_dead() && proc::control_groups(stat.pid).iter().any(is_ours));
        Ok(members)
    }

    fn is_leader(&self, stat: &Stat) -> bool {
        let is =
            |leader: &ProcessId| stat.pid == leader.pid && stat.start_time == leader.start_time;
        self.leader.as_ref().is_some_and(is)
    }

    /// While the leader is there, even as a zombie, no other process can have its number as a session
    /// or group. After that one may, and only the mark tells.
    fn shows(&self, stat: &Stat, leader_there: bool) -> bool {
        let led = |leader: &ProcessId| stat.session == leader.pid || stat.group == leader.pid;
        (leader_there && self.leader.as_ref().is_some_and(led)) || self.carries(stat.pid)
    }

    /// Whether a process carries the mark, and its user may. Where what is started is held together, and its
    /// user cannot leave that, the mark proves nothing: others may have read it.
    pub(super) fn carries(&self, pid: u32) -> bool {
        let is_held = self.unified.is_some() || self.keeper.is_some();
        let may =
            |user: u32| proc::user(pid) == Some(user) && (!is_held || user == getuid().as_raw());
        proc::was_given(pid, &self.mark) && self.user.is_none_or(may)
    }
}

/// The keeper of a first process, where it is not written down: nothing else of that name is its parent
/// but what the process has fallen to, or what has started it.
pub(super) fn keeper_of(leader: &ProcessId) -> Option<ProcessId> {
    let parent = leader.stat()?.parent;
    (proc::name(parent) == KEEPER).then(|| ProcessId::of(parent)).flatten()
}

/// How many processes are named.
const NAMED: usize = 10;

/// These processes, as `123 (python3), 124 (sh)`; the first ten.
pub(super) fn names(members: &[Stat]) -> String {
    let name = |stat: &Stat| format!("{} ({})", stat.pid, proc::name(stat.pid));
    let names = members.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(NAMED) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Whether a control group is this one or below it.
fn is_within(group: &str, own: &str) -> bool {
    group.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_holds_those_below_it_and_no_namesake() {
        let own = "/system.slice/agent.service";
        assert!(is_within(own, own));
        assert!(is_within("/system.slice/agent.service/workers", own));
        assert!(!is_within("/system.slice/agent.service2", own));
        assert!(!is_within("/system.slice", own));
    }
}
