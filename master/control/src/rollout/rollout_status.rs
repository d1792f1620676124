//! How a rollout stands, for an operator who looks and does not drive it.

use engine::{HostActivity, State};
use explain::span;
use store::{Driver, Rollout, Store};
use time::OffsetDateTime;

use crate::rollout::record::Record;
use crate::rollout::{Estimate, RolloutError, process};

/// A rollout, its state, and who drives it.
pub struct RolloutStatus {
    /// As the store has it.
    pub rollout: Rollout,
    /// As its events make it.
    pub state: State,
    /// The process that drives it, if one does.
    pub driver: Option<Driver>,
}

/// Reads how a rollout stands.
pub fn rollout_status(
    store: &Store,
    rollout: Rollout,
    now: OffsetDateTime,
) -> Result<RolloutStatus, RolloutError> {
    let record = Record::read(store, rollout)?;
    let (state, _) = record.state(store, None)?;
    let driver = store.driver(record.rollout.id)?;
    let driver = driver.filter(|driver| driver.until > now && process::lives(&driver.claim));
    Ok(RolloutStatus { rollout: record.rollout, state, driver })
}

impl RolloutStatus {
    /// How far it is, how long it has taken, and how long it will, if that is known.
    pub fn progress(&self, expected: Option<&Estimate>, now: OffsetDateTime) -> String {
        let Rollout { started_at, finished_at, .. } = &self.rollout;
        let passed = (finished_at.unwrap_or(now) - *started_at).whole_milliseconds();
        let passed = span(u64::try_from(passed).unwrap_or(0));
        let done =
            self.state.hosts().filter(|(_, host)| host.activity == HostActivity::Done).count();
        let all = self.state.plan().hosts.len();
        let hosts = if all == 1 { "host" } else { "hosts" };
        let expected = expected.filter(|_| !self.state.is_over());
        let expected = expected.map(|expected| format!(", {}", expected.words()));
        format!("{done} of {all} {hosts} done after {passed}{}", expected.unwrap_or_default())
    }

    /// What is to be said of a rollout that does not rest, and that no process drives.
    pub fn abandoned(&self) -> Option<String> {
        let left = self.driver.is_none() && !self.state.is_idle();
        left.then(|| {
            format!(
                "no swarm process drives it; to go on: swarm rollout resume {}",
                self.rollout.id.short()
            )
        })
    }
}
