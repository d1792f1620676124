//! One start of an agent: which processes it is, and how it ended.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::Digest;
use time::OffsetDateTime;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::RunnerError;
use super::members::{Signs, names};
use super::record::Record;
use super::successor::successor;
use super::units::Amiss;
use crate::sys::exits::{Exits, ProcessExit};
use crate::sys::kept::Kept;
use crate::sys::process::{ProcessHandle, ProcessId};
use crate::sys::run::describe;
use crate::sys::wall_clock;

/// Between two looks at which processes there are.
const NEXT_LOOK: Duration = Duration::from_millis(20);

/// One start of an agent. Cheap to clone; it holds nothing that keeps the agent alive.
#[derive(Debug, Clone)]
pub struct Instance {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    record: Record,
    leading: Arc<Leading>,
    exit: watch::Receiver<Option<ExitReport>>,
}

/// Which process leads an agent, and the news of it.
#[derive(Debug)]
struct Leading {
    leads: Mutex<Leads>,
    /// Of a leader that has ended it is known now what follows.
    decided: Condvar,
}

/// Which process leads an agent at the moment.
#[derive(Debug)]
struct Leads {
    leader: ProcessId,
    /// Whether no other follows when it ends.
    is_last: bool,
}

/// By what it is learned how an agent's processes end that are not the updater's children.
#[derive(Debug)]
pub(super) struct Ends {
    /// What its keeper tells of its first process, if this updater has started it.
    pub(super) kept: Option<Kept>,
    /// What its keeper writes down.
    pub(super) exits: Exits,
}

/// How an agent ended: its first process, or what systemd no longer takes for the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// In words: `exited with status 3`; or `ended`, where nothing told the updater more.
    how: String,
    /// Whether something else on the host ordered it, which says nothing of the release.
    pub by_order: bool,
    /// When it was, or was seen.
    pub at: OffsetDateTime,
}

impl ExitReport {
    fn new(how: Option<String>) -> Self {
        let how = how.unwrap_or_else(|| "ended".to_owned());
        Self { how, by_order: false, at: wall_clock() }
    }

    /// In words: `exited with status 3`.
    pub fn describe(&self) -> String {
        self.how.clone()
    }
}

impl Instance {
    /// Follows an agent from now on. A thread waits for its end, and reaps it if it is a child, so
    /// that it never stays behind as a zombie. Where it is no child, its keeper or `how` may know more.
    pub(super) fn follow(
        record: Record,
        leader: ProcessHandle,
        ends: Ends,
        how: impl FnOnce() -> Option<String> + Send + 'static,
    ) -> Result<Self, RunnerError> {
        let (sender, exit) = watch::channel(None);
        let keeper = record.keeper.as_ref().map(ProcessId::open).transpose();
        let keeper = keeper.map_err(RunnerError::Follow)?.flatten();
        let instance = Self::led_by(record, leader.id().clone(), false, exit);
        let following = instance.clone();
        std::thread::Builder::new()
            .name("agent-exit".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                let report = following.inner.follow_to_the_end(leader, ends, how);
                sender.send_replace(Some(report));
                following.inner.leads().is_last = true;
                following.inner.leading.decided.notify_all();
                drop(following);
                // It is a child of the updater that has started it.
                if let Some(keeper) = keeper.filter(|keeper| keeper.wait(None).is_ok()) {
                    keeper.reap();
                }
            })
            .map_err(RunnerError::Follow)?;
        Ok(instance)
    }

    /// One that has ended already.
    pub(super) fn ended(record: Record, leader: ProcessId, exit: ProcessExit) -> Self {
        let how = Some(describe(exit.status));
        let report = ExitReport { at: exit.at, ..ExitReport::new(how) };
        let (_, exit) = watch::channel(Some(report));
        Self::led_by(record, leader, true, exit)
    }

    fn led_by(
        record: Record,
        leader: ProcessId,
        is_last: bool,
        exit: watch::Receiver<Option<ExitReport>>,
    ) -> Self {
        let leads = Mutex::new(Leads { leader, is_last });
        let leading = Arc::new(Leading { leads, decided: Condvar::new() });
        Self { inner: Arc::new(Inner { record, leading, exit }) }
    }

    /// The same processes, told to follow another release, as it is written down. They are followed on as
    /// before.
    pub(super) fn of_release(&self, record: Record) -> Self {
        let Inner { leading, exit, .. } = &*self.inner;
        let (leading, exit) = (Arc::clone(leading), exit.clone());
        Self { inner: Arc::new(Inner { record, leading, exit }) }
    }

    /// Follows units from now on: `ended` comes to an end when one of them is not as it was started,
    /// and says how. The future that is given back is to be driven.
    pub(super) fn follow_units(
        record: Record,
        leader: ProcessId,
        ended: impl Future<Output = Amiss> + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, exit) = watch::channel(None);
        let following = async move {
            tokio::select! {
                Amiss { how, by_order } = ended => {
                    let report = ExitReport { by_order, ..ExitReport::new(Some(how)) };
                    drop(sender.send_replace(Some(report)));
                }
                () = sender.closed() => {}
            }
        };
        (Self::led_by(record, leader, true, exit), following)
    }

    /// The process that leads it: its first one, or the one that has taken the place of that one.
    pub fn process(&self) -> ProcessId {
        self.inner.leads().leader.clone()
    }

    /// Waits until it is known of a leader that has ended whether another process follows it: a moment.
    pub(super) fn settle(&self) {
        let waits = |leads: &mut Leads| !leads.is_last && !leads.leader.is_alive();
        let settled = self.inner.leading.decided.wait_while(self.inner.leads(), waits);
        drop(settled.unwrap_or_else(PoisonError::into_inner));
    }

    /// Which release it runs.
    pub fn digest(&self) -> Digest {
        self.inner.record.digest
    }

    /// The version of that release.
    pub fn version(&self) -> Option<&str> {
        self.inner.record.version.as_deref()
    }

    /// The directory of that release.
    pub fn release_path(&self) -> &PathBuf {
        &self.inner.record.release_path
    }

    /// When it was started.
    pub fn started_at(&self) -> OffsetDateTime {
        self.inner.record.started_at
    }

    /// Whether its first process lives, and its units are as they were started.
    pub fn is_alive(&self) -> bool {
        self.process().is_alive() && (self.inner.record.units.is_empty() || self.exit().is_none())
    }

    /// Whether the process that leads it has ended, or is about to.
    pub fn is_ending(&self) -> bool {
        self.process().is_ending()
    }

    /// What no other start has.
    pub fn mark(&self) -> &str {
        &self.inner.record.mark
    }

    /// Whether this is the same start of the same agent.
    pub fn is_same(&self, other: &Self) -> bool {
        self.inner.record.mark == other.inner.record.mark
    }

    /// Whether this is the start that was written down so.
    pub(super) fn is_of(&self, record: &Record) -> bool {
        self.inner.record.mark == record.mark
    }

    /// The numbers of all its living processes.
    pub fn members(&self) -> Vec<u32> {
        let members = self.signs().members().unwrap_or_default();
        members.into_iter().map(|stat| stat.pid).collect()
    }

    /// Since when it is of its release, in clock ticks since the machine was started, where it was told to follow
    /// it: what answers has to have begun later.
    pub fn reloaded(&self) -> Option<u64> {
        self.inner.record.reloaded
    }

    /// Whether a process of it began after it was told to follow its release, at the latest within this time. Blocks.
    pub fn has_followed(&self, within: Duration) -> bool {
        let Some(since) = self.reloaded() else { return true };
        let deadline = Instant::now() + within;
        loop {
            let members = self.signs().members().unwrap_or_default();
            if members.iter().any(|stat| stat.start_time >= since) {
                return true;
            }
            if deadline <= Instant::now() {
                return false;
            }
            // No event tells that a process was begun.
            std::thread::park_timeout(NEXT_LOOK);
        }
    }

    /// Whether a process is one of its own.
    pub fn owns(&self, pid: u32) -> bool {
        self.members().contains(&pid)
    }

    /// Waits for the end of its first process. Ready at once if that was before.
    pub async fn exited(&self) -> ExitReport {
        let mut exit = self.inner.exit.clone();
        let report = exit.wait_for(Option::is_some).await;
        let unknown = || ExitReport::new(None);
        report.ok().and_then(|report| report.clone()).unwrap_or_else(unknown)
    }

    /// How it ended, where it is units: systemd may be about to say that it did. Blocks for so long at most.
    pub fn exit_of_units(&self, within: Duration, handle: &Handle) -> Option<ExitReport> {
        if self.inner.record.units.is_empty() {
            return self.exit();
        }
        let exited = async { tokio::time::timeout(within, self.exited()).await };
        handle.block_on(exited).ok()
    }

    /// How its first process ended, if it has.
    pub fn exit(&self) -> Option<ExitReport> {
        self.inner.exit.borrow().clone()
    }

    /// Its units, where it is units.
    pub(super) fn units(&self) -> Vec<String> {
        self.inner.record.units.iter().map(|unit| unit.name.clone()).collect()
    }

    pub(super) fn record(&self) -> &Record {
        &self.inner.record
    }

    pub(super) fn signs(&self) -> Signs {
        self.inner.record.signs(Some(self.process()))
    }

    pub(super) fn log_start(&self) -> u64 {
        self.inner.record.log_start
    }
}

impl Inner {
    /// Waits for the end of the agent, whichever process leads it meanwhile, and says how it was.
    fn follow_to_the_end(
        &self,
        mut leader: ProcessHandle,
        mut ends: Ends,
        how: impl FnOnce() -> Option<String>,
    ) -> ExitReport {
        let session = leader.id().stat().map_or(leader.id().pid, |stat| stat.session);
        loop {
            // Without a deadline it returns when the process has ended.
            let _ = leader.wait(None);
            let status = leader.reap().or_else(|| ends.kept.take()?.status());
            let status = status.or_else(|| self.written_down(leader.id(), &ends.exits));
            // systemd ends what is left of a unit.
            if self.record.group.is_some() {
                return ExitReport::new(status.map(describe).or_else(how));
            }
            let left = self.record.signs(Some(leader.id().clone())).members().unwrap_or_default();
            let next = successor(leader.id(), session, status, &left);
            match next.and_then(|next| next.open().ok().flatten()) {
                Some(next) => {
                    let (before, pid) = (leader.id().pid, next.id().pid);
                    tracing::info!(
                        "process {before} of the agent has ended, and {pid} leads it from now on"
                    );
                    self.leads().leader = next.id().clone();
                    self.leading.decided.notify_all();
                    leader = next;
                }
                None => return ExitReport::new(ended(status, &names(&left)).or_else(how)),
            }
        }
    }

    /// How a process ended, by what its keeper has written down.
    fn written_down(&self, process: &ProcessId, exits: &Exits) -> Option<ExitStatus> {
        let exit = exits.of_ended(process, self.record.keeper.as_ref()?)?;
        Some(exit.status)
    }

    fn leads(&self) -> MutexGuard<'_, Leads> {
        self.leading.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a process has ended, and what that means if others of the agent live on.
fn ended(status: Option<ExitStatus>, left: &str) -> Option<String> {
    let status = status?;
    let how = describe(status);
    Some(if status.success() && !left.is_empty() {
        format!(
            "{how} and left {left}: it went to the background. Run it in the foreground (nginx: daemon off; \
             redis: --daemonize no), or say [run] forks = true and pid_file"
        )
    } else {
        how
    })
}
