//! What a program ends well on: the signal that asks it to, and which of its processes get that.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::VariantNames as _;

/// The signal that asks a program to end. It is written by its name, with or without `SIG`: `QUIT`.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(try_from = "String", into = "String")]
#[strum(serialize_all = "UPPERCASE")]
#[expect(missing_docs, reason = "each is the signal of its name: signal(7)")]
pub enum StopSignal {
    Hup,
    Int,
    Quit,
    Abrt,
    Kill,
    Usr1,
    Usr2,
    Alrm,
    #[default]
    Term,
    Winch,
    Pwr,
}

/// Which processes of a program are asked to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillMode {
    /// The first one, and what is left after it.
    #[default]
    Mixed,
    /// All of them at once.
    Group,
}

/// Why a text names no signal to end on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopSignalError {
    /// It is a number, which means another signal on another machine.
    #[error("read {0:?} as a signal: write its name, for example \"QUIT\"")]
    Number(String),
    /// It is none of the names.
    #[error("read {0:?} as a signal: expected one of {names}", names = StopSignal::VARIANTS.join(", "))]
    Unknown(String),
}

impl TryFrom<String> for StopSignal {
    type Error = StopSignalError;

    fn try_from(text: String) -> Result<Self, StopSignalError> {
        let name = text.strip_prefix("SIG").unwrap_or(&text);
        if !name.is_empty() && name.chars().all(|character| character.is_ascii_digit()) {
            return Err(StopSignalError::Number(text));
        }
        Self::from_str(name).map_err(|_| StopSignalError::Unknown(text))
    }
}

impl From<StopSignal> for String {
    fn from(signal: StopSignal) -> Self {
        signal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_with_or_without_sig_and_is_no_number() {
        let read = |text: &str| StopSignal::try_from(text.to_owned());
        assert_eq!(read("QUIT"), Ok(StopSignal::Quit));
        assert_eq!(read("SIGUSR2"), Ok(StopSignal::Usr2));
        for name in StopSignal::VARIANTS {
            assert_eq!(read(name).unwrap().to_string(), *name);
        }
        assert!(read("9").unwrap_err().to_string().contains("\"QUIT\""));
        assert_eq!(read("SIG15"), Err(StopSignalError::Number("SIG15".to_owned())));
        for text in ["", "SIG", "SIGSIGTERM", "STOP", "term", "TERM "] {
            assert_eq!(read(text), Err(StopSignalError::Unknown(text.to_owned())), "{text:?}");
        }
    }
}
