//! How a rollout stands, for whoever looks and does not drive.

use protocol::{Digest, HostName};
use serde::Serialize;
use time::OffsetDateTime;

use crate::rollout::RolloutError;
use crate::rollout::engine::{Batch, State, waits_for, why};
use crate::rollout::ledger::Record;
use crate::rollout::process;
use crate::store::{Driver, Rollout, Store};

/// A rollout, its state, and who drives it.
pub struct Stand {
    /// As the store has it.
    pub rollout: Rollout,
    /// As its events make it.
    pub state: State,
    /// Who drives it; none if nobody does.
    pub driver: Option<Driver>,
}

/// The same for programs.
#[derive(Debug, Serialize)]
pub struct StandDocument<'a> {
    #[serde(flatten)]
    rollout: &'a Rollout,
    waits_for: String,
    batch: usize,
    batches: &'a [Batch],
    driver: Option<&'a Driver>,
    hosts: Vec<HostStand<'a>>,
}

/// One host.
#[derive(Debug, Serialize)]
struct HostStand<'a> {
    host: &'a HostName,
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    from: Option<Digest>,
    to: Option<Digest>,
    why: Option<String>,
}

/// Reads how a rollout stands.
pub fn stand(store: &Store, rollout: Rollout, now: OffsetDateTime) -> Result<Stand, RolloutError> {
    let record = Record::read(store, rollout)?;
    let (state, _) = record.state(store, None)?;
    let driver = store.driver(record.rollout.id)?;
    let driver = driver.filter(|driver| driver.until > now && process::lives(&driver.claim));
    Ok(Stand { rollout: record.rollout, state, driver })
}

impl Stand {
    /// For `--json`.
    pub fn document(&self) -> StandDocument<'_> {
        let hosts = self.state.hosts().map(|(planned, host)| HostStand {
            host: &planned.host,
            state: host.name(),
            since: host.since,
            from: planned.from,
            to: planned.to,
            why: why(&self.state, &planned.host),
        });
        StandDocument {
            rollout: &self.rollout,
            waits_for: waits_for(&self.state),
            batch: self.state.stage().1,
            batches: &self.state.plan().batches,
            driver: self.driver.as_ref(),
            hosts: hosts.collect(),
        }
    }
}
