//! A rollout as the store has it: what was asked for and planned, without what has happened since.

use std::sync::Arc;

use engine::Plan;
use serde_json::Value;
use store::{KnownRelease, Rollout, Store};

use crate::rollout::RolloutError;

/// A rollout as the store has it, before its events are read.
pub(super) struct Record {
    pub(super) rollout: Rollout,
    pub(super) plan: Arc<Plan>,
    /// The release that it brings, if it brings one that is known.
    pub(super) release: Option<KnownRelease>,
}

impl Record {
    /// Reads it. A rollout that an older swarm wrote has no plan, and is over.
    pub(super) fn read(store: &Store, rollout: Rollout) -> Result<Self, RolloutError> {
        let planned = store.planned(rollout.id)?;
        let planned = planned.ok_or(RolloutError::TooOld(rollout.id))?;
        let plan = Arc::new(parse(planned.plan)?);
        let release = rollout.release.as_ref().map(|digest| store.release(digest)).transpose()?;
        Ok(Self { rollout, plan, release: release.flatten() })
    }
}

/// What a newer swarm wrote is not guessed at.
pub(super) fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, RolloutError> {
    serde_json::from_value(value).map_err(RolloutError::Unreadable)
}
