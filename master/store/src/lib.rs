//! What the master remembers: hosts, releases, rollouts and events, in one SQLite file.
//!
//! Everything that a rollout did is here before anybody is told of it, so that a master which is
//! killed knows afterwards what it had done.
//!
//! No other room knows SQL. Nothing here talks to a host, and nothing here decides.

mod address;
mod column;
mod drivers;
mod error;
mod event;
mod hold;
mod host;
mod host_change;
mod hosts;
mod journal;
mod lease;
mod locks;
mod open;
mod plans;
mod quarantine;
mod releases;
mod rollouts;
mod schema;
mod short_id;
mod skip_reason;

pub use address::{Address, AddressError};
pub use drivers::{Claim, Driver, Lease};
pub use error::StoreError;
pub use event::{Event, EventType, Events, Sequence};
pub use hold::Hold;
pub use host::{Host, Pinned};
pub use host_change::HostChange;
pub use hosts::Certificate;
pub use journal::{Appended, Entry, Position};
pub use locks::{Locked, Planned, Started};
pub use open::{STORE_FORMAT, Store};
pub use plans::StoredPlan;
pub use quarantine::Quarantined;
pub use releases::{Desired, KnownRelease};
pub use rollouts::{HostResultRecord, Rollout, RolloutId};
pub use skip_reason::SkipReason;
