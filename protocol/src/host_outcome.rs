//! How a host ends in the master's table. What counts or draws outcomes goes through these variants.

use serde::{Deserialize, Serialize};

/// How a host came out of an update or a rollback, as the master tells it.
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
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum HostOutcome {
    /// The release asked for runs there and was proven.
    Updated,
    /// It ran there already.
    AlreadyCurrent,
    /// The old release runs there and was proven.
    RolledBack,
    /// The order was refused or failed; what ran before still runs.
    Failed,
    /// The host could not be asked.
    Unreachable,
    /// It has an order, and what becomes of that is not known: it may still go on there.
    Unclear,
    /// Neither release could be proven there.
    Stranded,
    /// The host was left out, for the reason in its row.
    Skipped,
}

impl HostOutcome {
    /// The name on the wire and on the screen.
    pub fn into_str(self) -> &'static str {
        self.into()
    }
}
