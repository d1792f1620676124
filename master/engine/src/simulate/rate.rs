//! How often something happens: `5%`, `0.1%`.

use std::fmt;
use std::str::FromStr;

/// A share, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

/// Why a text is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a share: expected 0% to 100%, with at most four digits behind the point")]
pub struct RateError(String);

impl Rate {
    pub(super) const ALWAYS: u64 = 1_000_000;

    /// A share in millionths; more than all is all.
    pub(super) fn of_million(parts: u64) -> Self {
        Self(u32::try_from(parts.min(Self::ALWAYS)).unwrap_or(0))
    }

    /// Whether nothing escapes it.
    pub(super) fn is_always(self) -> bool {
        self.parts() == Self::ALWAYS
    }

    pub(super) fn parts(self) -> u64 {
        self.0.into()
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let parts = || {
            let number = text.strip_suffix('%')?;
            let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if whole.is_empty() || rest.len() > 4 || !digits(whole) || !digits(rest) {
                return None;
            }
            let parts = whole.parse::<u64>().ok()?.checked_mul(10_000)?;
            let parts = parts + format!("{rest:0<4}").parse::<u64>().ok()?;
            (parts <= Self::ALWAYS).then(|| Self::of_million(parts))
        };
        parts().ok_or_else(|| RateError(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, format!("{:04}", self.0 % 10_000));
        match rest.trim_end_matches('0') {
            "" => write!(formatter, "{whole}%"),
            rest => write!(formatter, "{whole}.{rest}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_shown_as_it_is_written() {
        for text in ["0%", "5%", "0.1%", "12.3456%", "100%"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("0.10%".parse::<Rate>(), "0.1%".parse());
        for bad in ["", "5", "%", "101%", "-1%", "+1%", "0.12345%", "1.%x", ".5%", "1e1%"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
