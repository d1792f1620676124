//! Where a transaction stands.

use serde::{Deserialize, Serialize};

/// What a transaction is for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// Puts a release on the disk and does not activate it (`PUT /releases/{digest}`).
    Stage,
    /// Activates a release, staging it before if it came along.
    Update,
    /// Activates a release that was active before.
    Rollback,
    /// Replaces the updater itself.
    SelfUpdate,
}

impl Kind {
    /// The name on the wire and on the screen.
    pub fn into_str(self) -> &'static str {
        self.into()
    }
}

/// The states of a transaction, in their order. `Reversing` can follow any from `BackingUp` on.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// Nothing is under way.
    Idle,
    /// The archive is taken: hashed, inflated, checked and written in one pass.
    Receiving,
    /// The end of the stream, the digest and the bounds are checked.
    Verifying,
    /// The release's build runs.
    Building,
    /// The release is whole and on the disk; nothing points to it yet.
    Staged,
    /// Stored data will change its form: the agent is stopped, and the data is copied.
    BackingUp,
    /// Stored data gets the form that the release needs; on the way back, the one that it had.
    Migrating,
    /// In a handover: the new agent is started beside the old one, and has to become ready.
    Starting,
    /// The `active` link is about to change.
    Switching,
    /// In a handover: the agent that served until now ends what it has begun, and is stopped.
    Draining,
    /// The agent is being stopped and started.
    Restarting,
    /// The new release has to prove that it answers.
    Probing,
    /// The master has to reach the updater on a new connection.
    Confirming,
    /// The proven release is looked at for a while longer.
    Watching,
    /// The `active` link goes back to where it was.
    Reversing,
}

impl Phase {
    /// The name on the wire and on the screen.
    pub fn into_str(self) -> &'static str {
        self.into()
    }
}
