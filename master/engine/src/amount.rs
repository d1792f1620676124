//! `3` or `25%` of the hosts.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of hosts, or a share of them. It is never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Amount {
    Hosts(NonZeroU32),
    /// So many of a hundred, at most 100.
    Percent(NonZeroU8),
}

/// Why a text is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a number of hosts: expected a whole number from 1, or 1% to 100%")]
pub struct AmountError(String);

impl Amount {
    /// How many hosts of `all` it is: a share is rounded down, and is at least one host.
    pub fn of(self, all: u32) -> u32 {
        match self {
            Self::Hosts(hosts) => hosts.get(),
            Self::Percent(percent) => {
                let share = u64::from(all) * u64::from(percent.get()) / 100;
                u32::try_from(share).unwrap_or(u32::MAX).max(1)
            }
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let error = || AmountError(text.chars().take(100).collect());
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse::<NonZeroU8>() {
                Ok(percent) if percent.get() <= 100 => Ok(Self::Percent(percent)),
                _ => Err(error()),
            },
            None => text.parse().map(Self::Hosts).map_err(|_| error()),
        }
    }
}

impl TryFrom<String> for Amount {
    type Error = AmountError;

    fn try_from(text: String) -> Result<Self, AmountError> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => write!(formatter, "{hosts}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down_and_is_never_none() {
        let of = |text: &str, all| text.parse::<Amount>().unwrap().of(all);
        assert_eq!((of("3", 2), of("10%", 50), of("10%", 3), of("33%", 10)), (3, 5, 1, 3));
        assert_eq!((of("100%", 7), of("1%", 100_000)), (7, 1000));
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["1", "250", "1%", "100%"] {
            assert_eq!(text.parse::<Amount>().unwrap().to_string(), text);
        }
        for text in ["0", "", "%", "0%", "101%", "-1", "1.5", "10 %", "all"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
