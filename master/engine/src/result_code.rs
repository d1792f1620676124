//! Why a host came to its row: a code of its updater's, or one of the master's own. In stored events,
//! in the database and on the wire a code is its text; one that this version does not know keeps it.

use std::fmt;

use protocol::Code;
use serde::{Deserialize, Serialize};

/// The code of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ResultCode {
    /// What the updater said, or would say.
    Updater(Code),
    /// What the master found out by itself.
    Master(MasterCode),
    /// What another version of either has said.
    Unknown(String),
}

/// A reason that only a master has. Where it bears the same name as one of an updater's, it is that.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum MasterCode {
    /// The rollout was aborted before the host's turn.
    Aborted,
    /// The archive on the master's own disk could not be read.
    ArchiveUnreadable,
    /// An operator has to approve the rollout before the host's turn.
    AwaitingApproval,
    /// What the updater answered makes no sense.
    BadAnswer,
    /// No connection to the updater was made.
    ConnectFailed,
    /// The connection to the updater broke.
    ConnectionBroken,
    /// The host's order has not come to an end in the time that it has.
    Deadline,
    /// The host was taken out of the fleet.
    Decommissioned,
    /// The master itself failed.
    Defect,
    /// The host has no updater.
    EnrolledWithoutAnUpdater,
    /// An operator keeps the host out of rollouts.
    Held,
    /// What became of the host's order is not known.
    Lost,
    /// The host runs something else than when the plan was made.
    Moved,
    /// The host is not, or no longer, one of the fleet's.
    NotInFleet,
    /// The master does not know by which certificate to know the host.
    NotPinned,
    /// No host was begun with, since another one was not well.
    NotStarted,
    /// The updater knows nothing of the order.
    NotTaken,
    /// The updater or the master did not trust the other's certificate.
    NotTrusted,
    /// The rollout is paused before the host's turn.
    Paused,
    /// The updater refused to answer, without a code.
    Refused,
    /// The host was updated, and taken back with the whole rollout.
    TakenBack,
    /// The updater did not answer in time.
    TimedOut,
    /// The host's agent was not well before the update.
    Unhealthy,
}

impl ResultCode {
    /// The text of the code.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Updater(code) => code.name(),
            Self::Master(code) => code.into_str(),
            Self::Unknown(text) => text,
        }
    }

    /// Whether it says no more than that the end of an order is not known.
    pub const fn says_nothing_of_the_end(&self) -> bool {
        matches!(self, Self::Master(MasterCode::Deadline | MasterCode::Defect | MasterCode::Lost))
    }
}

/// No code.
impl Default for ResultCode {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl From<Code> for ResultCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Unknown(_) => Self::Unknown(code.name().to_owned()),
            known => Self::Updater(known),
        }
    }
}

impl From<MasterCode> for ResultCode {
    fn from(code: MasterCode) -> Self {
        Self::Master(code)
    }
}

impl From<String> for ResultCode {
    fn from(text: String) -> Self {
        if let Ok(code) = text.parse::<MasterCode>() {
            return Self::Master(code);
        }
        text.parse::<Code>().map_or_else(|_| Self::Unknown(text), Self::from)
    }
}

impl From<ResultCode> for String {
    fn from(code: ResultCode) -> Self {
        code.to_string()
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;

    #[test]
    fn every_code_is_read_back_from_its_text() {
        let of_masters = MasterCode::VARIANTS.iter().map(|code| ResultCode::from(*code));
        let of_updaters = Code::ALL.iter().cloned().map(ResultCode::from);
        for code in of_masters.chain(of_updaters) {
            assert_eq!(ResultCode::from(code.to_string()), code);
        }
        assert_eq!(ResultCode::from(MasterCode::NotInFleet).as_str(), "not_in_fleet");
    }

    #[test]
    fn a_text_that_is_not_known_is_kept() {
        for text in ["of_the_future", "On fire!", ""] {
            let code: ResultCode = serde_json::from_value(text.into()).unwrap();
            assert_eq!(code, ResultCode::Unknown(text.to_owned()));
            assert_eq!(serde_json::to_value(&code).unwrap(), text);
        }
    }
}
