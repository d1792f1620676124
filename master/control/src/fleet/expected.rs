//! What the master knows of a host without asking it: what it should run, why it may not, and the rollout
//! that has it.

use std::collections::BTreeMap;

use explain::when;
use protocol::{CallerKind, HostName, HostOutcome, LastTransaction};
use serde::Serialize;
use store::{Desired, RolloutId, Store, StoreError};

use crate::fleet::transaction_words;

/// The code in the row of a host that an operator holds.
const HELD: &str = "held";

/// What is known of a host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub expected: Vec<Expected>,
    pub rollout: Option<HeldBy>,
}

/// What an app of a host should run.
#[derive(Debug, Clone)]
pub struct Expected {
    pub desired: Desired,
    /// The release's version, where this master knows it.
    pub version: Option<String>,
    /// How the host came out of the rollout that asked for it, where that did not bring it there.
    pub missed: Option<Missed>,
}

/// A host that did not come to what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    pub rollout: RolloutId,
    pub outcome: HostOutcome,
    pub code: Option<String>,
}

impl Expected {
    /// Why something else runs: it was done on the host itself or by another order since, or what was asked
    /// for was missed there.
    pub(super) fn drift_reason(&self, last: Option<&LastTransaction>) -> Option<String> {
        let Self { desired, missed, .. } = self;
        let made_it = last.filter(|last| {
            let is_later = last.ended_at > desired.since;
            match last.caller {
                CallerKind::Local | CallerKind::Rescue => missed.is_none() || is_later,
                _ => {
                    let leads_away = last.to != last.from && last.to != Some(desired.digest);
                    is_later && leads_away && !self.is_of_its_rollout(last)
                }
            }
        });
        let done = |last| format!("{} {}", transaction_words(last), when(last.ended_at));
        made_it.map(done).or_else(|| missed.as_ref().map(Missed::words))
    }

    /// Whether it was an order of the rollout that asked for what should run.
    fn is_of_its_rollout(&self, last: &LastTransaction) -> bool {
        let Some(rollout) = self.desired.rollout else { return false };
        let order = last.order.as_deref().and_then(|order| order.split('/').next());
        order.is_some_and(|order| order == rollout.to_string())
    }
}

impl Missed {
    /// `missed in 3f9a61c2, unreachable`
    pub fn words(&self) -> String {
        let Self { rollout, outcome, code } = self;
        let rollout = rollout.short();
        match code.as_deref().filter(|code| *code != outcome.into_str()) {
            Some(HELD) => format!("held during {rollout}"),
            Some(code) => format!("missed in {rollout}, {outcome}, {code}"),
            None => format!("missed in {rollout}, {outcome}"),
        }
    }
}

/// The rollout that has a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldBy {
    pub id: RolloutId,
    /// The name of its state.
    pub state: String,
}

/// Reads what is known of these hosts.
pub fn known<'a>(
    store: &Store,
    hosts: impl IntoIterator<Item = &'a HostName>,
) -> Result<BTreeMap<HostName, Known>, StoreError> {
    hosts.into_iter().map(|host| Ok((host.clone(), known_of(store, host)?))).collect()
}

fn known_of(store: &Store, host: &HostName) -> Result<Known, StoreError> {
    let expected = store.desired(host)?.into_iter().map(|desired| {
        let missed = missed(store, host, &desired)?;
        let version = store.release(&desired.digest)?.and_then(|release| release.version);
        Ok(Expected { desired, version, missed })
    });
    let expected = expected.collect::<Result<_, StoreError>>()?;
    let rollout = store.holder(host)?.map(|id| store.rollout(id)).transpose()?;
    let rollout = rollout.map(|rollout| HeldBy { id: rollout.id, state: rollout.state });
    Ok(Known { expected, rollout })
}

fn missed(store: &Store, host: &HostName, desired: &Desired) -> Result<Option<Missed>, StoreError> {
    let Some(rollout) = desired.rollout else { return Ok(None) };
    let result = store.host_result(rollout, host)?;
    let result = result.filter(|result| result.to != Some(desired.digest));
    Ok(result.map(|result| Missed { rollout, outcome: result.outcome, code: result.code }))
}
