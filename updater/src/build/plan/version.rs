//! The versions of programs, as far as a range says something of them: their numbers.

use std::cmp::Ordering;
use std::fmt;

/// The numbers of a version: `3.11.7`. One that ends sooner goes on with zeros.
#[derive(Debug, Clone)]
pub struct Version(pub(super) Vec<u64>);

/// The first version in what a program prints of itself.
pub(in crate::build) fn version_in(text: &str) -> Option<Version> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    Version::parse(rest[..end].trim_end_matches('.'))
}

impl Version {
    /// Numbers with dots between them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>().map(Self)
    }

    /// The version of as many numbers after which all begin that are not below `self`: `3.9` gives `3.10`.
    pub(super) fn next(&self) -> Self {
        let mut numbers = self.0.clone();
        if let Some(last) = numbers.last_mut() {
            *last = last.saturating_add(1);
        }
        Self(numbers)
    }

    /// The first numbers, at least one.
    pub(super) fn first(&self, count: usize) -> Self {
        Self(self.0.iter().copied().take(count.max(1)).collect())
    }

    fn number(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let most = self.0.len().max(other.0.len());
        let ordered = (0..most).map(|index| self.number(index).cmp(&other.number(index)));
        ordered.fold(Ordering::Equal, Ordering::then)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(u64::to_string).collect();
        formatter.write_str(&numbers.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_a_program_prints() {
        for (text, version) in [
            ("Python 3.11.7", "3.11.7"),
            ("v20.20.2\n", "20.20.2"),
            ("cargo 1.85.0-nightly (cecde95c1 2025-01-24)", "1.85.0"),
            ("Python 3.13.0rc1", "3.13.0"),
        ] {
            assert_eq!(version_in(text).unwrap().to_string(), version);
        }
        assert!(version_in("no version").is_none() && version_in("").is_none());
        assert!(version_in("99999999999999999999999").is_none());
    }

    #[test]
    fn what_is_missing_is_zero() {
        let of = |text| Version::parse(text).unwrap();
        assert_eq!(of("3.9"), of("3.9.0"));
        assert!(of("3.9.1") > of("3.9") && of("3.10") > of("3.9.9"));
    }
}
