//! What happens in a new process between `fork` and `exec`. Nothing here may allocate or take a lock:
//! the threads that would free it are not there.

use std::io;
use std::os::fd::RawFd;

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid};

use super::gate::Waiting;
use super::limits::Limits;
use super::unsafe_calls::{self, KeeperOf};
use super::user::User;

/// The user and the groups that a process gets.
pub(super) struct Ids {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Ids {
    pub(super) fn of(user: &User) -> Self {
        Self {
            uid: Uid::from_raw(user.uid),
            gid: Gid::from_raw(user.gid),
            groups: user.groups.iter().copied().map(Gid::from_raw).collect(),
        }
    }
}

/// How long a process may live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as it likes: it outlives the updater.
    Own,
    /// It gets TERM when the thread that started it ends. The thread, not the process: prctl(2).
    ParentThread,
    /// A keeper stands between, and ends with it and all that it started, or with the thread that
    /// started it. The child that `start` returns is the keeper.
    SupervisedChild,
}

/// A keeper that outlives the updater.
pub(super) struct AgentKeeper {
    /// Where it tells of its child.
    pub(super) report: RawFd,
    /// The file to which it writes how processes ended.
    pub(super) exits: Option<RawFd>,
    /// Which words it has that are not its own.
    pub(super) words: (usize, usize),
}

/// What is done in the child before it becomes the command.
pub(super) struct Preparation {
    pub(super) waiting: Option<Waiting>,
    pub(super) user: Option<Ids>,
    pub(super) limits: Limits,
    pub(super) no_new_privileges: bool,
    pub(super) no_network: bool,
    pub(super) lifetime: Lifetime,
    pub(super) parent: libc::pid_t,
    /// Which keeper it gets that outlives the updater.
    pub(super) keeper: Option<AgentKeeper>,
    /// The control group that it joins.
    pub(super) group: Option<RawFd>,
    pub(super) inherited: Vec<(RawFd, RawFd)>,
}

impl Preparation {
    /// It could not be started after all: its keeper must not wait for it to be looked at.
    pub(super) fn give_up(&self) {
        if let Some(keeper) = &self.keeper {
            unsafe_calls::hang_up(keeper.report);
        }
    }

    pub(super) fn apply(&self) -> io::Result<()> {
        unsafe_calls::reset_signals()?;
        if let Some(AgentKeeper { report, exits, words }) = self.keeper {
            unsafe_calls::fork_under_keeper(KeeperOf::Agent { report, exits, words })?;
        } else if self.lifetime == Lifetime::SupervisedChild {
            unsafe_calls::fork_under_keeper(KeeperOf::Command { parent: self.parent })?;
        }
        // All that it starts is in the group from the first, and its keeper is not.
        if let Some(group) = self.group {
            unsafe_calls::join(group)?;
        }
        if let Some(waiting) = &self.waiting {
            waiting.wait()?;
        }
        nix::unistd::setsid()?;
        umask(Mode::from_bits_truncate(0o022));
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        self.limits.apply()?;
        if self.no_network {
            unsafe_calls::leave_network()?;
        }
        if let Some(ids) = &self.user {
            nix::unistd::setgroups(&ids.groups)?;
            nix::unistd::setgid(ids.gid)?;
            nix::unistd::setuid(ids.uid)?;
        }
        if self.no_new_privileges {
            unsafe_calls::no_new_privileges()?;
        }
        // After `setuid`, which would forget it.
        if self.lifetime == Lifetime::ParentThread {
            unsafe_calls::die_with_parent(self.parent, libc::SIGTERM)?;
        }
        unsafe_calls::close_on_exec();
        for (source, number) in &self.inherited {
            unsafe_calls::place(*source, *number)?;
        }
        Ok(())
    }
}
