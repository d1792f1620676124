//! What `/health` tells of an app, kept in memory: answering it never waits for a disk, a build
//! or an agent.

use std::path::PathBuf;

use protocol::{
    ActiveRelease, AgentState, AppHealth, AppName, Digest, Holder, Kind, LastTransaction, Phase,
    TransactionId,
};
use time::OffsetDateTime;

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
    pub to: Option<Digest>,
    /// What its agent is doing.
    pub agent: Agent,
    /// What `active` names.
    pub active: Option<ActiveRelease>,
    /// How the last transaction ended.
    pub last: Option<LastTransaction>,
    /// How many bytes an archive may have, when that was last looked at.
    pub room: Option<u64>,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Why nothing can be done with the app, until somebody looks.
    pub blocked: Option<String>,
}

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// There is no release, so there is no agent.
    None,
    /// It runs, as this process.
    Running(u32),
    /// An operator, or a transaction, stopped it.
    Stopped,
    /// It should run and does not.
    Dead,
}

impl Status {
    /// An app of which nothing is known yet.
    pub const fn new(now: OffsetDateTime) -> Self {
        Self {
            phase: Phase::Idle,
            since: now,
            running: None,
            began: now,
            connection: 0,
            to: None,
            agent: Agent::None,
            active: None,
            last: None,
            room: None,
            warnings: Vec::new(),
            blocked: None,
        }
    }

    /// Who holds the app, for the answer 423.
    pub fn holder(&self) -> Option<Holder> {
        let (transaction, kind) = self.running.clone()?;
        Some(Holder { transaction, kind, to: self.to })
    }

    /// For `GET /health`.
    pub fn health(&self) -> AppHealth {
        let (agent, pid) = match self.agent {
            Agent::None => (AgentState::None, None),
            Agent::Running(pid) => (AgentState::Running, Some(pid)),
            Agent::Stopped => (AgentState::Stopped, None),
            Agent::Dead => (AgentState::Dead, None),
        };
        AppHealth {
            state: self.phase,
            since: self.since,
            transaction: self.running.as_ref().map(|(transaction, _)| transaction.clone()),
            healthy: self.agent != Agent::Dead,
            agent,
            pid,
            room: self.room,
            active: self.active.clone(),
            last: self.last.clone(),
            warnings: self.blocked.iter().chain(&self.warnings).cloned().collect(),
        }
    }
}

/// The files of one app in the state directory.
#[derive(Debug, Clone)]
pub struct AppFiles {
    directory: PathBuf,
}

impl AppFiles {
    /// The files of `app` under `<state_dir>/apps/`.
    pub fn new(state_dir: &std::path::Path, app: &AppName) -> Self {
        Self { directory: state_dir.join("apps").join(app.as_str()) }
    }

    /// The directory that holds them all.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Where the running transaction stands.
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal.json")
    }

    /// Every transaction that ended.
    pub fn history(&self) -> PathBuf {
        self.directory.join("history.jsonl")
    }

    /// What is known of each release.
    pub fn facts(&self) -> PathBuf {
        self.directory.join("releases.json")
    }

    /// The highest counter of a signed release that was taken.
    pub fn counter(&self) -> PathBuf {
        self.directory.join("counter.json")
    }

    /// Which releases have changed the form of stored data.
    pub fn migrations(&self) -> PathBuf {
        self.directory.join("migrations.json")
    }

    /// The lock of one transaction at a time.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Where the home of its builds is.
    pub fn builds(&self) -> PathBuf {
        self.directory.join("cache")
    }

    /// What is kept of failures.
    pub fn evidence(&self) -> PathBuf {
        self.directory.join("evidence")
    }

    /// Present while an operator wants the agent to be stopped.
    pub fn stopped(&self) -> PathBuf {
        self.directory.join("stopped")
    }
}
