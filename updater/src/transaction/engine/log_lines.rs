//! What the log says of a transaction: a line for each thing that was done, about ten in all for one
//! that went well. An operator who reads only them knows who ordered what, what was done and how it
//! ended.
//!
//! In the journal each has the fields `APP`, `TRANSACTION` and `DIGEST`, from the span around it.

use std::time::Duration;

use protocol::{Digest, Kind, Outcome, Phase, Problem, Proof, ended};

use super::Engine;

/// The `MESSAGE_ID`s of a transaction's first and last line in the journal. They are promises.
const BEGAN: &str = "b94571289d5b4052aa1d2b6eae333fa0";
const ENDED: &str = "e6e4043c42504aa4acbfd3c7946fc318";

impl Engine {
    /// What every line of the transaction is inside of.
    pub(in crate::transaction) fn span(&self) -> tracing::Span {
        let (app, journal) = (&self.app.settings.name, &self.journal);
        let digest = tracing::field::Empty;
        let transaction = &journal.transaction;
        let span = tracing::error_span!("transaction", %app, %transaction, digest);
        if let Some(to) = journal.to {
            span.record("digest", tracing::field::display(to));
        }
        span
    }

    /// The digest that was not known when the order came.
    pub(super) fn log_digest(&self, digest: Digest) {
        if self.journal.to.is_none() {
            tracing::Span::current().record("digest", tracing::field::display(digest));
        }
    }

    /// What was ordered, and by which caller.
    pub(super) fn log_began(&self) {
        let journal = &self.journal;
        let to = journal.to.map(|to| format!(" to {}", to.short())).unwrap_or_default();
        let (kind, caller) = (journal.kind, &journal.caller);
        let now = match journal.from {
            Some(from) => format!("{} is active", from.short()),
            None => "nothing is active".to_owned(),
        };
        let order = journal.order.as_deref();
        tracing::info!(
            message_id = BEGAN,
            kind = kind.into_str(),
            order,
            epoch = journal.epoch,
            "{}: {kind}{to} ordered by {caller}; {now}",
            self.app.settings.name
        );
    }

    /// Where it stood when another updater took it over.
    pub(super) fn log_resumed(&self) {
        let (kind, phase) = (self.journal.kind, self.journal.phase);
        let to = self.to();
        tracing::info!(
            "{}: finishing the {kind} to {to}, found in {phase}{}",
            self.app.settings.name,
            match self.journal.deaths {
                0 => String::new(),
                deaths => format!("; deaths of the host or the updater meanwhile: {deaths}"),
            }
        );
    }

    /// What is about to be done, where that is not said when it is done.
    pub(super) fn log_entered(&self) {
        let journal = &self.journal;
        let line = match journal.phase {
            Phase::Switching => format!("switching from {} to {}", self.from(), self.to()),
            Phase::Watching => format!("watching for {}", journal.watch),
            Phase::Reversing => {
                return tracing::warn!("{}: going back to {}", self.app.settings.name, self.from());
            }
            _ => return,
        };
        tracing::info!("{}: {line}", self.app.settings.name);
    }

    /// What was done, and how long it took.
    pub(super) fn log_done(&self, took: Duration) {
        let took = shown(took);
        let line = match (self.journal.phase, self.journal.kind) {
            (Phase::Receiving, _) => {
                let Some(received) = &self.received else { return };
                let (bytes, entries) = (received.archive_bytes, received.entries);
                format!("received {}: {bytes} bytes, {entries} entries, in {took}", self.to())
            }
            (Phase::Building, _) => {
                match &self.built {
                    Some(plan) => format!("on the disk in {took}: {}", plan.words()),
                    // It was there before.
                    None => format!("on the disk in {took}"),
                }
            }
            (Phase::Staged, Kind::SelfUpdate) => {
                format!("the new updater has checked all, in {took}")
            }
            (Phase::Starting, _) => {
                format!("{} beside the old one, ready in {took}", self.agent_is())
            }
            (Phase::Draining, _) => format!("drained the agent before in {took}"),
            (Phase::Restarting, _) => format!("{} in {took}", self.agent_is()),
            (Phase::Probing, Kind::SelfUpdate) => {
                format!("the new updater has answered the master, in {took}")
            }
            (Phase::Probing, _) => format!("{}, in {took}", self.proof()),
            (Phase::Confirming, _) => format!("confirmed by its master, in {took}"),
            _ => return,
        };
        tracing::info!("{}: {line}", self.app.settings.name);
    }

    /// How a hook or a command of a migration ended.
    pub(super) fn log_command(&self, name: &str, how: &str, took: Duration) {
        tracing::info!("{}: {name} {how}, after {}", self.app.settings.name, shown(took));
    }

    /// What failed, and why.
    pub(super) fn log_failed(&self, problem: &Problem) {
        let code = problem.code.name();
        tracing::warn!(
            code,
            "{}: {} failed: {}",
            self.app.settings.name,
            self.journal.phase,
            problem.detail
        );
    }

    pub(super) fn log_ended(&self, outcome: Outcome, problem: Option<&Problem>) {
        let app = &self.app.settings.name;
        let (kind, took) = (self.journal.kind, shown(self.began.elapsed()));
        let code = problem.map(|problem| problem.code.name());
        let why = problem.map(|problem| format!(": {}", problem.detail)).unwrap_or_default();
        let ended = ended(outcome, problem.map(|problem| &problem.code));
        let line = format!("{app}: {kind} ended after {took}: {ended}{why}");
        let outcome_is = outcome.into_str();
        if outcome == Outcome::Stranded {
            tracing::error!(message_id = ENDED, outcome = outcome_is, code, "{line}");
        } else if problem.is_some() {
            tracing::warn!(message_id = ENDED, outcome = outcome_is, code, "{line}");
        } else {
            tracing::info!(message_id = ENDED, outcome = outcome_is, "{line}");
        }
    }

    fn agent_is(&self) -> String {
        let target = self.journal.target();
        let started = self.started.as_ref().filter(|agent| Some(agent.digest()) == target);
        match started {
            Some(agent) => format!("started as process {}", agent.process().pid),
            None if self.has_no_process() => "nothing to start: it has no process".to_owned(),
            None => "the agent runs on".to_owned(),
        }
    }

    fn proof(&self) -> String {
        let short = self.journal.target().map(|digest| digest.short()).unwrap_or_default();
        match self.report.as_ref().and_then(|report| report.proof) {
            Some(Proof::Echo) => format!("{short} is proven by its echo"),
            Some(Proof::Process) => format!("{short} is proven by its process"),
            None if self.has_no_process() => format!("{short} is whole, and has no process"),
            None => format!("{short} answers"),
        }
    }

    fn has_no_process(&self) -> bool {
        let target = self.journal.target();
        target.is_some_and(|digest| self.app.agent.has_process(&digest).is_ok_and(|has| !has))
    }

    fn from(&self) -> String {
        self.journal.from.map_or_else(|| "nothing".to_owned(), |from| from.short())
    }

    fn to(&self) -> String {
        self.journal.to.map(|to| to.short()).unwrap_or_default()
    }
}

/// A length of time, as exactly as an operator needs it.
fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{}ms", time.as_millis());
    }
    format!("{:.1}s", time.as_secs_f64())
}
