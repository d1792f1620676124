//! Why a host is not addressed.

use std::fmt;

use time::format_description::well_known::Rfc3339;

use crate::{Hold, Host};

/// Why a host is left out of rollouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipReason {
    Decommissioned,
    NoUpdater,
    /// An operator holds it.
    Held(Hold),
}

impl SkipReason {
    /// The stable code of a row that says so.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Decommissioned => "decommissioned",
            Self::NoUpdater => "enrolled_without_an_updater",
            Self::Held(_) => "held",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decommissioned => formatter.write_str("decommissioned"),
            Self::NoUpdater => formatter.write_str("enrolled without an updater"),
            Self::Held(Hold { because, who, until, .. }) => {
                write!(formatter, "held by {who}: {because}")?;
                match until.map(|until| until.format(&Rfc3339)) {
                    Some(Ok(until)) => write!(formatter, " (until {until})"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Host {
    /// Why it is not addressed, if it is not.
    pub fn skip_reason(&self) -> Option<SkipReason> {
        match self {
            Self { decommissioned_at: Some(_), .. } => Some(SkipReason::Decommissioned),
            Self { has_updater: false, .. } => Some(SkipReason::NoUpdater),
            Self { held: Some(hold), .. } => Some(SkipReason::Held(hold.clone())),
            _ => None,
        }
    }
}
