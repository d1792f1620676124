//! How a transaction ends on its host.

use serde::{Deserialize, Serialize};

/// How a transaction ended, as the updater's history has it.
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
pub enum Outcome {
    /// The release is on the disk, whole and built; nothing was activated.
    Staged,
    /// The new release runs and was proven.
    Updated,
    /// The release asked for ran already.
    AlreadyCurrent,
    /// The old release runs and was proven (or, after a first install, nothing runs).
    RolledBack,
    /// Nothing was touched: the transaction ended before its switch.
    Interrupted,
    /// Neither release could be proven healthy.
    Stranded,
}

impl Outcome {
    /// The name on the wire and on the screen.
    pub fn into_str(self) -> &'static str {
        self.into()
    }
}

/// The `status` of an answer to an order: a transaction's outcome, or why there was none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As [`Outcome::Staged`].
    Staged,
    /// As [`Outcome::Updated`].
    Updated,
    /// As [`Outcome::AlreadyCurrent`].
    AlreadyCurrent,
    /// As [`Outcome::RolledBack`]. With a `code` it was the updater's own doing; without one it
    /// was ordered.
    RolledBack,
    /// As [`Outcome::Interrupted`].
    Interrupted,
    /// As [`Outcome::Stranded`].
    Stranded,
    /// The order was refused, or failed before anything was switched.
    Failed,
    /// Proven, and waiting for `POST /confirm/{transaction}` on a new connection.
    Confirming,
    /// The new updater has been started; it must answer on a new connection.
    SelfUpdateQueued,
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Staged => Self::Staged,
            Outcome::Updated => Self::Updated,
            Outcome::AlreadyCurrent => Self::AlreadyCurrent,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Interrupted => Self::Interrupted,
            Outcome::Stranded => Self::Stranded,
        }
    }
}
