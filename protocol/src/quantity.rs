//! Sizes and durations as a person writes them: `64MiB`, `500ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a size.
    #[error("read {0:?} as a size: expected a whole number and B, KiB, MiB, GiB or TiB")]
    Size(String),
    /// Not a duration.
    #[error("read {0:?} as a duration: expected a whole number and ms, s, m, h or d")]
    Duration(String),
}

/// A number of bytes, written `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

/// A length of time, written `500ms`, `1s`, `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const PERIODS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &SIZES).map(Self).ok_or_else(|| QuantityError::Size(text.to_owned()))
    }
}

impl FromStr for Period {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse(text, &PERIODS)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| QuantityError::Duration(text.to_owned()))
    }
}

/// Zero needs no unit; every other number does, so that a reader has none to guess.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    match (number, unit.trim()) {
        (0, "") => Some(0),
        (_, unit) => {
            let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
            number.checked_mul(*factor)
        }
    }
}

/// The largest unit that divides the number, so that what was written is what is shown.
fn write(formatter: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let whole = units.iter().filter(|(_, factor)| number.is_multiple_of(*factor));
    match whole.max_by_key(|(_, factor)| *factor) {
        Some((unit, factor)) if number > 0 => write!(formatter, "{}{unit}", number / factor),
        _ => formatter.write_str("0"),
    }
}

macro_rules! text_form {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = QuantityError;

            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(quantity: $name) -> Self {
                quantity.to_string()
            }
        }
    };
}

text_form!(Bytes);
text_form!(Period);

impl Bytes {
    /// For people, to a tenth of the largest unit: `39.1 MiB`.
    pub fn about(self) -> String {
        let fits = |(_, factor): &&(&str, u64)| self.0 >= *factor;
        let (unit, factor) = SIZES.iter().find(fits).copied().unwrap_or(("B", 1));
        let tenths = u128::from(self.0) * 10 / u128::from(factor);
        match tenths % 10 {
            0 => format!("{} {unit}", tenths / 10),
            tenth => format!("{}.{tenth} {unit}", tenths / 10),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(formatter, self.0, &SIZES)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write(formatter, millis, &PERIODS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_a_size_to_a_tenth() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1136, "1.1 KiB"),
            (64 << 20, "64 MiB"),
            (41_000_000, "39.1 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Bytes(bytes).about(), text);
        }
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["64MiB", "1B", "2GiB", "3KiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        for text in ["500ms", "1s", "5m", "90d"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused_unless_it_is_zero() {
        assert_eq!("0".parse::<Period>().unwrap().0, Duration::ZERO);
        for bad in ["", "5", "s", "-1s", "1.5s", "1 week", "99999999999999999999s"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
        assert!("18446744073709551615TiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn lesson_41_a_delay_of_zero_is_zero() {
        assert_eq!("0s".parse::<Period>().unwrap().0, Duration::ZERO);
        assert_eq!("0ms".parse::<Period>().unwrap().to_string(), "0");
    }
}
