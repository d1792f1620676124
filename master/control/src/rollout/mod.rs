//! Rollouts: what is planned, decided, carried out and written down.
//!
//! `plan` asks the hosts and makes the plan; [`engine`] decides, and drives over a world of hosts
//! (`world`) and a ledger (`ledger`); `rollouts` is where rollouts are begun, answered and gone on
//! with. Every update and every rollback, of one host too, goes this way.
//!
//! Everything that happens is in the store before anybody is shown it and before anything follows
//! from it, and no host is ever reported as something that was not seen.

mod answered;
mod archives;
mod asked_for;
mod end_message;
mod error;
mod failed_hosts;
mod history;
mod host_orders;
mod kept_releases;
mod ledger;
mod left_out;
mod newer_master;
mod observer;
mod plan;
mod process;
mod quarantine;
mod record;
mod release_names;
mod rollout_request;
mod rollout_status;
mod rollouts;
mod self_update;
mod source;
#[cfg(test)]
mod source_tests;
mod summary;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod undo;
mod updaters;

pub use archives::{Archives, Sources};
pub use error::RolloutError;
pub use failed_hosts::failed_hosts;
pub use kept_releases::{
    KeptRelease, RemoveError, kept_releases, remove_release, superfluous, sweep_half_packed,
};
pub use observer::Observer;
pub use plan::{Estimate, build, estimate, inspect, seen_above};
pub use process::RolloutEnvironment;
pub use quarantine::forgive;
pub use release_names::ReleaseNames;
pub use rollout_request::{Change, Goal, RolloutRequest};
pub use rollout_status::{RolloutStatus, rollout_status};
pub use rollouts::Rollouts;
pub use source::{Prepared, Source, SourceContext, SourceError, own_archive, resolve};
pub use summary::Summary;
pub use undo::{changes, undo_order, undo_policy};
pub use updaters::UpdaterClients;
