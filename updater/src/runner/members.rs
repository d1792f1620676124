//! Which processes belong to a start of an agent.
//!
//! Those in the session or the group of its first process; those that carry its mark in the
//! environment that they were started with, whatever sessions they made; those in the control group that was
//! made for it; and all descendants of these. Where units were started, all that is in their control groups, and nothing else.
//!
//! The limit of the former, without such a group: a process that cleared its environment is found only while its parent, or the
//! first process of its session, lives. The proof of a probe fails closed for one that is not found.

use std::collections::BTreeSet;
use std::io;

use super::own_group::OwnGroup;
use crate::sys::proc::{self, Stat};
use crate::sys::process::{ProcessId, boot_id};

/// The variable that marks the processes of one start.
pub(super) const MARK: &str = "RELEASE_INSTANCE";

/// What tells the processes of one start from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) leader: ProcessId,
    /// `RELEASE_INSTANCE=…`.
    pub(super) mark: String,
    /// The control groups of its units; none where the updater started it itself.
    pub(super) groups: Vec<String>,
    /// The group that was made for it, where it is the updater's child.
    pub(super) own_group: Option<OwnGroup>,
}

impl Signs {
    /// All living processes of this start.
    pub(super) fn members(&self) -> io::Result<Vec<Stat>> {
        // After a restart of the machine, no number means what it meant.
        if self.leader.boot_id != boot_id() {
            return Ok(Vec::new());
        }
        if !self.groups.is_empty() {
            return self.grouped();
        }
        let all: Vec<Stat> = proc::all()?
            .into_iter()
            .filter(|stat| stat.start_time >= self.leader.start_time)
            .collect();
        let leader_there = all.iter().any(|stat| self.is_leader(stat));
        let mut members: BTreeSet<u32> = all
            .iter()
            .filter(|stat| self.is_leader(stat) || self.shows(stat, leader_there))
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

    fn grouped(&self) -> io::Result<Vec<Stat>> {
        let mut members = proc::all()?;
        let is_ours = |group: &String| self.groups.iter().any(|own| is_within(group, own));
        members
            .retain(|stat| !stat.is_dead() && proc::control_groups(stat.pid).iter().any(is_ours));
        Ok(members)
    }

    fn is_leader(&self, stat: &Stat) -> bool {
        stat.pid == self.leader.pid && stat.start_time == self.leader.start_time
    }

    /// While the leader is there, even as a zombie, no other process can have its number as a session
    /// or group. After that one may, and only the mark tells.
    fn shows(&self, stat: &Stat, leader_there: bool) -> bool {
        let grouped = stat.session == self.leader.pid || stat.group == self.leader.pid;
        (grouped && leader_there) || proc::was_given(stat.pid, &self.mark)
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
