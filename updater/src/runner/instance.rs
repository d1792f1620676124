//! One start of an agent: which processes it is, and how it ended.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::{Digest, FORMAT};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::log::LogPipe;
use super::members::Signs;
use super::units::{Started, TemplateInstance, mark_of};
use super::{Behaviour, Launch, RunnerError};
use crate::sys::proc::Stat;
use crate::sys::process::{ProcessHandle, ProcessId};
use crate::sys::run::describe;
use crate::sys::{proc, wall_clock};

/// `instance.json`: the start of an agent that an updater wrote down, for the next updater.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    /// The value of the variable that marks its processes.
    pub(super) mark: String,
    /// Its first process; absent while it is being started.
    #[serde(default)]
    pub(super) leader: Option<ProcessId>,
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

/// One start of an agent. Cheap to clone; it holds nothing that keeps the agent alive.
#[derive(Debug, Clone)]
pub struct Instance {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    record: Record,
    signs: Signs,
    exit: watch::Receiver<Option<ExitReport>>,
}

/// How an agent ended: its first process, or what systemd no longer takes for the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// In words: `exited with status 3`; or `ended`, where an earlier updater started the process,
    /// which is not this one's child.
    how: String,
    /// When it was seen.
    pub at: OffsetDateTime,
}

impl ExitReport {
    fn new(how: Option<String>) -> Self {
        Self { how: how.unwrap_or_else(|| "ended".to_owned()), at: wall_clock() }
    }

    /// In words: `exited with status 3`.
    pub fn describe(&self) -> String {
        self.how.clone()
    }
}

impl Instance {
    /// Follows an agent from now on. A thread waits for its end, and reaps it if it is a child, so
    /// that it never stays behind as a zombie.
    /// Where it is no child, `how` may know more.
    pub(super) fn follow(
        record: Record,
        leader: ProcessHandle,
        how: impl FnOnce() -> Option<String> + Send + 'static,
    ) -> Result<Self, RunnerError> {
        let signs = record.signs(leader.id().clone());
        let (sender, exit) = watch::channel(None);
        std::thread::Builder::new()
            .name("agent-exit".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                // Without a deadline it returns when the process has ended.
                let _ = leader.wait(None);
                sender
                    .send_replace(Some(ExitReport::new(leader.reap().map(describe).or_else(how))));
            })
            .map_err(RunnerError::Follow)?;
        Ok(Self { inner: Arc::new(Inner { record, signs, exit }) })
    }

    /// Follows units from now on: `ended` comes to an end when one of them is not as it was started,
    /// and says how. The future that is given back is to be driven.
    pub(super) fn follow_units(
        record: Record,
        leader: ProcessId,
        ended: impl Future<Output = String> + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let signs = record.signs(leader);
        let (sender, exit) = watch::channel(None);
        let following = async move {
            tokio::select! {
                how = ended => drop(sender.send_replace(Some(ExitReport::new(Some(how))))),
                () = sender.closed() => {}
            }
        };
        (Self { inner: Arc::new(Inner { record, signs, exit }) }, following)
    }

    pub fn process(&self) -> &ProcessId {
        &self.inner.signs.leader
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

    pub(super) fn signs(&self) -> &Signs {
        &self.inner.signs
    }

    pub(super) fn log_start(&self) -> u64 {
        self.inner.record.log_start
    }
}

impl Record {
    /// A start of units that begins now; what systemd makes of them is not known yet.
    pub(super) fn of_units(launch: &Launch, side: Option<TemplateInstance>) -> Self {
        let begun = wall_clock();
        Self {
            format: FORMAT,
            mark: mark_of(begun),
            leader: None,
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

    /// The first process, also where the updater was killed between starting it and writing its
    /// number down: then it is the one that carries the mark and leads its session.
    /// Where that cannot be told, it must not be taken that there is none.
    pub(super) fn find_leader(&self) -> Result<Option<ProcessId>, RunnerError> {
        if let Some(leader) = &self.leader {
            return Ok(Some(leader.clone()));
        }
        let mark = self.variable();
        let all = proc::all().map_err(RunnerError::Follow)?;
        let leads = |stat: &&Stat| stat.pid == stat.session && proc::was_given(stat.pid, &mark);
        Ok(all.iter().find(leads).map(ProcessId::from_stat))
    }

    /// What tells its processes from all others.
    pub(super) fn signs(&self, leader: ProcessId) -> Signs {
        let groups = self.units.iter().map(|unit| unit.control_group.clone());
        let groups = groups.chain(self.group.clone()).filter(|group| !group.is_empty()).collect();
        Signs { leader, mark: self.variable(), groups }
    }

    /// `RELEASE_INSTANCE=…`, as it stands in the environment.
    pub(super) fn variable(&self) -> String {
        format!("{}={}", super::members::MARK, self.mark)
    }
}
