//! Which versions a release takes of a program, as Python, Node and Rust write that. A range that cannot
//! be read says nothing: its own tool will.

use std::fmt;

use super::version::Version;
use crate::sys::output::printable;

/// Characters of a range that are shown.
const SHOWN: usize = 100;

/// The versions that are taken: those of one of its alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// As it is shown.
    text: String,
    alternatives: Vec<Vec<Bound>>,
}

/// One bound of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    AtLeast(Version),
    Above(Version),
    Below(Version),
    AtMost(Version),
    /// Not from the first to before the second.
    Except(Version, Version),
}

impl VersionRange {
    /// Whether it takes a version.
    pub fn takes(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| bounds.iter().all(|bound| bound.takes(version)))
    }

    /// `rust-version`: this one and later ones.
    pub(super) fn at_least(text: &str) -> Option<Self> {
        let bounds = vec![Bound::AtLeast(Version::parse(text.trim())?)];
        Some(Self { text: format!(">={}", shown(text)), alternatives: vec![bounds] })
    }

    /// Python's specifiers (PEP 440), and Poetry's: `>=3.9,<4`, `~=3.8`, `3.11.*`, `^3.9`.
    pub(super) fn of_python(text: &str) -> Option<Self> {
        let mut bounds = Vec::new();
        for specifier in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (sign, version) = signed(specifier);
            let (version, wild) = match version.strip_suffix(".*") {
                Some(prefix) => (Version::parse(prefix)?, true),
                None => (Version::parse(version)?, false),
            };
            let after = if wild { version.next() } else { after_patch(&version) };
            match (sign, wild) {
                (">=", false) => bounds.push(Bound::AtLeast(version)),
                (">", false) => bounds.push(Bound::Above(version)),
                ("<=", false) => bounds.push(Bound::AtMost(version)),
                ("<", false) => bounds.push(Bound::Below(version)),
                ("==" | "===" | "", _) => {
                    bounds.extend([Bound::AtLeast(version), Bound::Below(after)]);
                }
                ("!=", _) => bounds.push(Bound::Except(version, after)),
                ("~=", false) if version.0.len() > 1 => {
                    let below = version.first(version.0.len() - 1).next();
                    bounds.extend([Bound::AtLeast(version), Bound::Below(below)]);
                }
                ("^", false) => bounds.extend(caret(version)),
                ("~", false) => bounds.extend(tilde(version)),
                _ => return None,
            }
        }
        let alternatives = vec![bounds];
        Some(Self { text: shown(text), alternatives })
    }

    /// npm's ranges: `>=18`, `^18.12 || 20.x`, `18 - 20`, `~18.2`.
    pub(super) fn of_node(text: &str) -> Option<Self> {
        let alternatives = text.split("||").map(node_bounds).collect::<Option<_>>()?;
        Some(Self { text: shown(text), alternatives })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Bound {
    fn takes(&self, version: &Version) -> bool {
        match self {
            Self::AtLeast(bound) => version >= bound,
            Self::Above(bound) => version > bound,
            Self::Below(bound) => version < bound,
            Self::AtMost(bound) => version <= bound,
            Self::Except(first, after) => version < first || version >= after,
        }
    }
}

/// As much of a range as says what is asked for, in one line.
fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = printable(words.as_bytes());
    match printable.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &printable[..end]),
        None => printable,
    }
}

/// The sign of a comparison, and what stands after it.
fn signed(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !"<>=!~^".contains(c)).unwrap_or(text.len());
    let (sign, rest) = text.split_at(end);
    (sign, rest.trim())
}

/// The first version that is none of this one's: its patches, where it does not name one, are its own.
fn after_patch(version: &Version) -> Version {
    if version.0.len() < 3 {
        let mut exact = version.clone();
        exact.0.resize(3, 0);
        return exact.next();
    }
    version.next()
}

/// Up to the next change of the first number that is not zero.
fn caret(version: Version) -> [Bound; 2] {
    let first = version.0.iter().position(|number| *number != 0).unwrap_or(0);
    let below = version.first(first + 1).next();
    [Bound::AtLeast(version), Bound::Below(below)]
}

/// Up to the next change of the second number, if there is one.
fn tilde(version: Version) -> [Bound; 2] {
    let below = version.first(version.0.len().min(2)).next();
    [Bound::AtLeast(version), Bound::Below(below)]
}

fn node_bounds(text: &str) -> Option<Vec<Bound>> {
    if let Some((low, high)) = text.split_once(" - ") {
        let (low, high) = (node_version(low.trim())?, node_version(high.trim())?);
        let high = if high.0.len() < 3 { Bound::Below(high.next()) } else { Bound::AtMost(high) };
        return Some(vec![Bound::AtLeast(low), high]);
    }
    // A sign may stand apart from its version.
    let mut joined = String::new();
    for word in text.split_whitespace() {
        joined.push_str(word);
        if !signed(word).1.is_empty() {
            joined.push(' ');
        }
    }
    let mut bounds = Vec::new();
    for comparison in joined.split_whitespace() {
        let (sign, version) = signed(comparison);
        if matches!(version, "*" | "x" | "X") {
            continue;
        }
        let version = node_version(version)?;
        match sign {
            ">=" => bounds.push(Bound::AtLeast(version)),
            ">" if version.0.len() < 3 => bounds.push(Bound::AtLeast(version.next())),
            ">" => bounds.push(Bound::Above(version)),
            "<" => bounds.push(Bound::Below(version)),
            "<=" if version.0.len() < 3 => bounds.push(Bound::Below(version.next())),
            "<=" => bounds.push(Bound::AtMost(version)),
            "^" => bounds.extend(caret(version)),
            "~" => bounds.extend(tilde(version)),
            "" | "=" => {
                let below = version.next();
                bounds.extend([Bound::AtLeast(version), Bound::Below(below)]);
            }
            _ => return None,
        }
    }
    Some(bounds)
}

/// `18`, `v18.2`, `18.x`.
fn node_version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let wild = |part: &str| matches!(part, "x" | "X" | "*");
    let numbers: Vec<_> = text.split('.').take_while(|part| !wild(part)).collect();
    Version::parse(&numbers.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: a range, a version, and whether the one takes the other.
    fn agree(read: fn(&str) -> Option<VersionRange>, rows: &[(&str, &str, bool)]) {
        for (range, version, taken) in rows {
            let version = Version::parse(version).unwrap();
            assert_eq!(read(range).map(|range| range.takes(&version)), Some(*taken), "{range}");
        }
    }

    #[test]
    fn python_says_its_versions_by_specifiers() {
        let rows = [
            (">=3.13", "3.11.7", false),
            (">=3.11", "3.11.7", true),
            (">= 3.8, < 4", "3.11.7", true),
            ("<3.11", "3.11.7", false),
            ("<=3.11", "3.11.7", false),
            (">3.11", "3.11.7", true),
            ("==3.11.*", "3.11.7", true),
            ("==3.11", "3.11.0", true),
            ("==3.11", "3.11.7", false),
            ("!=3.11.*", "3.11.7", false),
            ("!=3.10.*,>=3.9", "3.11.7", true),
            ("~=3.8", "3.11.7", true),
            ("~=3.8.1", "3.11.7", false),
            ("^3.9", "3.11.7", true),
            ("^3.12", "3.11.7", false),
            ("~3.11", "3.11.7", true),
            ("3.11.*", "3.11.7", true),
            ("", "3.11.7", true),
        ];
        agree(VersionRange::of_python, &rows);
    }

    #[test]
    fn node_says_its_versions_by_ranges() {
        let rows = [
            (">=99", "20.20.2", false),
            (">= 18", "20.20.2", true),
            ("^18.12 || ^20.9", "20.20.2", true),
            ("^18 || 16", "20.20.2", false),
            ("20", "20.20.2", true),
            ("20.x", "20.20.2", true),
            ("v20.20.2", "20.20.2", true),
            (">=18 <20", "20.20.2", false),
            ("18 - 20", "20.20.2", true),
            ("18 - 20.1.0", "20.20.2", false),
            ("~20.2", "20.20.2", false),
            (">20", "20.20.2", false),
            ("<=20", "20.20.2", true),
            ("^0.2.3", "0.3.0", false),
            ("*", "20.20.2", true),
            ("", "20.20.2", true),
        ];
        agree(VersionRange::of_node, &rows);
    }

    #[test]
    fn as_much_of_a_range_is_shown_as_says_what_is_asked_for() {
        let long = format!(">=99{}", ",\n\r>=98".repeat(400_000));
        for range in
            [VersionRange::of_python(&long), VersionRange::of_node(">=99\n".repeat(99).as_str())]
        {
            let shown = range.unwrap().to_string();
            assert!(shown.starts_with(">=99") && shown.ends_with('…'), "{shown}");
            assert!(shown.chars().count() == SHOWN + 1 && !shown.contains(char::is_control));
        }
        assert_eq!(VersionRange::of_python(" >=3.9,  <4\n").unwrap().to_string(), ">=3.9, <4");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for range in [">=3.9.dev0", "three", ">==3", "=>3", "3.x"] {
            assert_eq!(VersionRange::of_python(range), None, "{range}");
        }
        for range in ["lts/*", "latest", ">=18 <a", "=>18"] {
            assert_eq!(VersionRange::of_node(range), None, "{range}");
        }
        let rows = [("1.85", "1.85.1", true), ("1.85.1", "1.85.0", false)];
        agree(VersionRange::at_least, &rows);
    }
}
