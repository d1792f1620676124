//! What `/health` tells of an app, and the events of it. Both are kept in memory: reading them never
//! waits for a disk, a build or an agent.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use protocol::{
    ActiveRelease, AgentState, AppHealth, AppName, Digest, Event, EventKind, Holder, Kind,
    LastTransaction, Phase, SlotRelease, TransactionId,
};
use time::OffsetDateTime;

use super::condition::{ProbeState, reason};
use crate::sys::wall_clock;
use crate::transaction::{Deaths, EventFilter, Events, Journal, UnprovenKind};

/// Where an app stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// The phase of its transaction.
    pub phase: Phase,
    pub since: OffsetDateTime,
    /// The transaction that is under way, and what it is for.
    pub running: Option<(TransactionId, Kind)>,
    /// When the running transaction began.
    pub began: OffsetDateTime,
    /// The number of the connection that its order came on.
    pub connection: u64,
    /// The release before the running transaction.
    pub from: Option<Digest>,
    /// The release that it was ordered to go to.
    pub to: Option<Digest>,
    /// Where the running transaction goes if it is asked to end now, where that undoes an update.
    pub undoes_to: Option<Digest>,
    /// What its agent is doing.
    pub agent: AgentProcess,
    /// What its probe was answered last.
    pub probe: Option<ProbeState>,
    /// What the agent of the active release died of.
    pub deaths: Option<Deaths>,
    /// What the last transaction that touched the app left, if it proved nothing.
    pub unproven: Option<UnprovenKind>,
    /// Which process that is none of ours has the program's port, where the program is amiss.
    pub port_taken: Option<String>,
    /// What `active` names.
    pub active: Option<ActiveRelease>,
    /// What `active` and `prev` name, as the older form of `/health` lists it.
    pub slots: Vec<SlotRelease>,
    /// How the last transaction ended.
    pub last: Option<LastTransaction>,
    /// How many bytes an archive may have, when that was last looked at.
    pub room: Option<u64>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Why a start of its stopped agent would be refused.
    pub start_refused: Option<String>,
    /// What its history knows and its directory does not have.
    pub lost: Option<String>,
    /// Why nothing can be done with the app, until an operator looks at it.
    pub blocked: Option<String>,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentProcess {
    /// There is no release, so there is no agent.
    None,
    /// It runs, as this process.
    Running(u32),
    /// An operator, or a transaction, stopped it.
    Stopped,
    /// It should run and does not.
    Dead,
    /// It runs, as this process, and those before it died soon.
    Crashing(u32),
    /// The release that is active has none.
    NoProcess,
}

/// The status of one app, and the stream that its events go to.
pub struct StatusBoard {
    app: AppName,
    status: Mutex<Status>,
    events: Arc<Events>,
}

impl StatusBoard {
    /// Of an app of which nothing is known yet.
    pub(in crate::transaction) fn new(app: AppName, events: Arc<Events>) -> Self {
        Self { app, status: Mutex::new(Status::new(wall_clock())), events }
    }

    /// What is known of the app now.
    pub fn get(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is known of the app.
    pub(in crate::transaction) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts where a transaction stands into what `/health` tells.
    pub(in crate::transaction) fn show_phase(&self, journal: &Journal) {
        self.update(|status| {
            status.phase = journal.phase;
            status.since = journal.since;
            status.began = journal.started_at;
            status.running = Some((journal.transaction.clone(), journal.kind));
            status.from = journal.from;
            status.to = journal.to;
            // From here on the new release is the one that is active.
            let proving =
                matches!(journal.phase, Phase::Probing | Phase::Confirming | Phase::Watching);
            let undoes = journal.kind == Kind::Update && proving && journal.is_undoable();
            status.undoes_to = journal.from.filter(|_| undoes);
        });
    }

    /// Says why nothing can be done with the app.
    pub(in crate::transaction) fn block(&self, why: String) {
        if self.get().blocked.as_ref() != Some(&why) {
            tracing::error!(app = %self.app, "{}: {why}", self.app);
            self.update(|status| status.blocked = Some(why));
        }
    }

    /// What happens to the app, from the past and from then on.
    pub fn listen(&self, filter: EventFilter) -> impl Stream<Item = Event> + Send + use<> {
        self.events.listen(filter)
    }

    /// The id of the latest event.
    pub(in crate::transaction) fn last_event(&self) -> u64 {
        self.events.last()
    }

    /// Tells every listener.
    pub(crate) fn publish(&self, transaction: Option<&TransactionId>, kind: EventKind) {
        self.events.publish(&self.app, transaction, wall_clock(), kind);
    }
}

impl Status {
    pub(super) const fn new(now: OffsetDateTime) -> Self {
        Self {
            phase: Phase::Idle,
            since: now,
            running: None,
            began: now,
            connection: 0,
            from: None,
            to: None,
            undoes_to: None,
            agent: AgentProcess::None,
            probe: None,
            deaths: None,
            unproven: None,
            port_taken: None,
            active: None,
            slots: Vec::new(),
            last: None,
            room: None,
            warnings: Vec::new(),
            start_refused: None,
            lost: None,
            blocked: None,
        }
    }

    /// Which transaction holds the app, for the answer 423.
    pub fn holder(&self) -> Option<Holder> {
        let (transaction, kind) = self.running.clone()?;
        Some(Holder { transaction, kind, to: self.to })
    }

    /// For `GET /health`.
    pub fn health(&self) -> AppHealth {
        let (agent, pid) = match self.agent {
            AgentProcess::None => (AgentState::None, None),
            AgentProcess::Running(pid) => (AgentState::Running, Some(pid)),
            AgentProcess::Stopped => (AgentState::Stopped, None),
            AgentProcess::Dead => (AgentState::Dead, None),
            AgentProcess::Crashing(pid) => (AgentState::Crashing, Some(pid)),
            AgentProcess::NoProcess => (AgentState::NoProcess, None),
        };
        let reason = reason(self);
        let stopped = agent == AgentState::Stopped;
        AppHealth {
            state: self.phase,
            since: self.since,
            transaction: self.running.as_ref().map(|(transaction, _)| transaction.clone()),
            undoes_to: self.undoes_to.filter(|_| self.running.is_some()),
            healthy: reason.is_none(),
            reason,
            probe: self.probe.as_ref().map(|probe| probe.last.clone()),
            died: self.deaths.as_ref().map(|deaths| deaths.last.clone()),
            stranded: self.unproven == Some(UnprovenKind::Stranded),
            agent,
            stopped_since: None,
            pid,
            room: self.room,
            watch: None,
            has_run_command: None,
            active: self.active.clone(),
            last: self.last.clone(),
            warnings: self.blocked.iter().chain(&self.warnings).cloned().collect(),
            start_refused: self.start_refused.clone().filter(|_| stopped),
        }
    }
}
