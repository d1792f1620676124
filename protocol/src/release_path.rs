//! Paths inside a release, and the targets of its symbolic links: what an archive may name.
//!
//! A [`ReleasePath`] is relative, has no `.` and no `..`, and is short, printable UTF-8. Nothing
//! here looks at a disk: what a name means there is the business of who opens it.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// Bytes of a path, at most.
pub const PATH_BYTES: usize = 1024;
/// Bytes of one part of a path, at most.
pub const PART_BYTES: usize = 255;
/// Parts of a path, at most, where a host's configuration does not say otherwise.
pub const PATH_PARTS: usize = 64;

macro_rules! path_rules {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)*) => {
        /// A rule that a path or a link's target broke.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum PathRule {
            $($(#[$doc])* #[error($text)] $variant,)*
        }

        impl PathRule {
            /// Every rule, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name of the rule.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
        }
    };
}

path_rules! {
    /// No name at all, or none between two `/`.
    Empty = "path_empty", "a name must not be empty";
    /// It starts with `/`.
    Absolute = "path_absolute", "a path must be relative";
    /// A part is `..`.
    Parent = "path_parent", "a path must not contain ..";
    /// A part is `.`, other than leading ones.
    Dot = "path_dot", "a path must not contain . as a part";
    /// It ends in `/` and is not a directory's.
    TrailingSlash = "path_trailing_slash", "only a directory's name may end in /";
    /// Not UTF-8.
    NotUtf8 = "path_not_utf8", "a name must be UTF-8";
    /// A NUL.
    Nul = "path_nul", "a name must not contain NUL";
    /// A `\`, which is a separator elsewhere.
    Backslash = "path_backslash", "a name must not contain a backslash";
    /// A control character or a line separator.
    Control = "path_control", "a name must not contain control characters";
    /// A character that changes the direction in which the name is shown.
    Bidirectional = "path_bidi", "a name must not change the direction of its text";
    /// More than [`PATH_BYTES`].
    TooLong = "path_too_long", "a path has at most 1024 bytes";
    /// A part of more than [`PART_BYTES`].
    PartTooLong = "path_part_too_long", "a part of a path has at most 255 bytes";
    /// More parts than the host's limit, which is [`PATH_PARTS`] unless it says otherwise.
    TooDeep = "path_too_deep", "a path must not have more parts than limits.path_parts";
    /// A link to nothing.
    LinkEmpty = "link_empty", "a link's target must not be empty";
    /// A link to an absolute path.
    LinkAbsolute = "link_absolute", "a link's target must be relative";
    /// A link out of the release.
    LinkOutside = "link_outside", "a link must stay inside the release";
    /// A target with `..` after a name: where it leads depends on what the name is.
    LinkDetour = "link_detour", "a link's target may have .. only at its start";
}

/// A path inside a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReleasePath(String);

/// What the name of an archive's entry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryName {
    /// The release itself: `.` or `./`.
    Root,
    /// Something in it.
    Inside {
        /// Where.
        path: ReleasePath,
        /// Whether the name ended in `/`, as a directory's may.
        slash: bool,
    },
}

impl EntryName {
    /// Reads the name of an archive's entry. Every reader takes leading `./`, `//` after a name for
    /// `/`, and one trailing `/`: the path is what is left of it.
    pub fn parse(raw: &[u8]) -> Result<Self, PathRule> {
        let mut text = check_text(raw)?;
        while let Some(rest) = text.strip_prefix("./") {
            text = rest;
        }
        if matches!(text, "" | ".") {
            return Ok(Self::Root);
        }
        let single = (!text.starts_with('/') && text.contains("//")).then(|| single_slashes(text));
        let text = single.as_deref().unwrap_or(text);
        let (text, slash) = match text.strip_suffix('/') {
            Some(rest) if !rest.is_empty() => (rest, true),
            _ => (text, false),
        };
        Ok(Self::Inside { path: text.parse()?, slash })
    }
}

impl ReleasePath {
    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts, from the top.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The directory that it is in (`""` is the release itself), and its name there.
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// What is the same for all paths that differ only in their Unicode normalisation.
    pub fn key(&self) -> String {
        normalised(&self.0)
    }
}

/// The normalisation (NFC) under which names are compared.
pub fn normalised(text: &str) -> String {
    if is_nfc(text) { text.to_owned() } else { text.nfc().collect() }
}

impl FromStr for ReleasePath {
    type Err = PathRule;

    fn from_str(text: &str) -> Result<Self, PathRule> {
        check_text(text.as_bytes())?;
        if text.starts_with('/') {
            return Err(PathRule::Absolute);
        }
        for part in text.split('/') {
            match part {
                "" if text.ends_with('/') && !text.contains("//") => {
                    return Err(PathRule::TrailingSlash);
                }
                "" => return Err(PathRule::Empty),
                "." => return Err(PathRule::Dot),
                ".." => return Err(PathRule::Parent),
                _ if part.len() > PART_BYTES => return Err(PathRule::PartTooLong),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ReleasePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// The target of a symbolic link that stays inside the release, by itself and through any chain
/// of such links.
///
/// That holds because `..` stands only at its start, where it climbs from the link's own
/// directory, which is never reached through a link; from there it goes down only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget(String);

impl LinkTarget {
    /// Reads the target of a link that is at `link`.
    pub fn parse(raw: &[u8], link: &ReleasePath) -> Result<Self, PathRule> {
        if raw.is_empty() {
            return Err(PathRule::LinkEmpty);
        }
        let text = check_text(raw)?;
        if text.starts_with('/') {
            return Err(PathRule::LinkAbsolute);
        }
        let depth = link.parts().count() - 1;
        let (mut climbed, mut descended) = (0, 0);
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." if descended > 0 => return Err(PathRule::LinkDetour),
                ".." if climbed == depth => return Err(PathRule::LinkOutside),
                ".." => climbed += 1,
                _ if part.len() > PART_BYTES => return Err(PathRule::PartTooLong),
                _ => descended += 1,
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The target as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn single_slashes(text: &str) -> String {
    let mut single = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '/' || !single.ends_with('/') {
            single.push(character);
        }
    }
    single
}

fn check_text(raw: &[u8]) -> Result<&str, PathRule> {
    if raw.is_empty() {
        return Err(PathRule::Empty);
    }
    if raw.len() > PATH_BYTES {
        return Err(PathRule::TooLong);
    }
    let text = std::str::from_utf8(raw).map_err(|_| PathRule::NotUtf8)?;
    for character in text.chars() {
        match character {
            '\0' => return Err(PathRule::Nul),
            '\\' => return Err(PathRule::Backslash),
            '\u{2028}' | '\u{2029}' => return Err(PathRule::Control),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => return Err(PathRule::Bidirectional),
            _ if character.is_control() => return Err(PathRule::Control),
            _ => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_code() {
        let mut codes: Vec<_> = PathRule::ALL.iter().map(|rule| rule.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), PathRule::ALL.len());
    }

    #[test]
    fn plain_names_are_taken_as_they_are() {
        for text in ["a", "a/b", "...", "a..b", ".env", "späße/日本", "a b", "-rf", "a:b"] {
            assert_eq!(text.parse::<ReleasePath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_leading_dot_and_a_trailing_slash_are_an_archives_way_to_write_it() {
        let inside = |text: &str, slash| EntryName::Inside { path: text.parse().unwrap(), slash };
        assert_eq!(EntryName::parse(b"./"), Ok(EntryName::Root));
        assert_eq!(EntryName::parse(b"."), Ok(EntryName::Root));
        assert_eq!(EntryName::parse(b"./a/b"), Ok(inside("a/b", false)));
        assert_eq!(EntryName::parse(b"a/b/"), Ok(inside("a/b", true)));
        assert_eq!(EntryName::parse(b"././"), Ok(EntryName::Root));
        assert_eq!(EntryName::parse(b"././a"), Ok(inside("a", false)));
        assert_eq!(EntryName::parse(b"a//b///c//"), Ok(inside("a/b/c", true)));
    }

    #[test]
    fn every_rule_of_names_is_held_to() {
        let long = "a".repeat(PATH_BYTES + 1);
        let part = "a".repeat(PART_BYTES + 1);
        let cases: &[(&[u8], PathRule)] = &[
            (b"", PathRule::Empty),
            (b"/", PathRule::Absolute),
            (b"/etc/passwd", PathRule::Absolute),
            (b".//a", PathRule::Absolute),
            (b"..", PathRule::Parent),
            (b"../a", PathRule::Parent),
            (b"./../a", PathRule::Parent),
            (b"a/..", PathRule::Parent),
            (b"a/../b", PathRule::Parent),
            (b"a/./b", PathRule::Dot),
            (b"././../a", PathRule::Parent),
            (b"././/a", PathRule::Absolute),
            (b"a//../b", PathRule::Parent),
            (b"a/.", PathRule::Dot),
            (b"\xff", PathRule::NotUtf8),
            (b"a\0b", PathRule::Nul),
            (b"a\\b", PathRule::Backslash),
            (b"a\nb", PathRule::Control),
            (b"a\x7f", PathRule::Control),
            ("a\u{2028}".as_bytes(), PathRule::Control),
            ("a\u{202e}gpj".as_bytes(), PathRule::Bidirectional),
            (long.as_bytes(), PathRule::TooLong),
            (part.as_bytes(), PathRule::PartTooLong),
        ];
        for (raw, rule) in cases {
            let parsed = EntryName::parse(raw);
            assert_eq!(parsed, Err(*rule), "{}", String::from_utf8_lossy(raw));
        }
        assert_eq!("a/".parse::<ReleasePath>(), Err(PathRule::TrailingSlash));
        assert_eq!("a//b".parse::<ReleasePath>(), Err(PathRule::Empty));
        assert_eq!("./a".parse::<ReleasePath>(), Err(PathRule::Dot));
    }

    #[test]
    fn names_that_differ_only_in_normalisation_share_a_key() {
        let composed: ReleasePath = "caf\u{e9}".parse().unwrap();
        let decomposed: ReleasePath = "cafe\u{301}".parse().unwrap();
        assert_ne!(composed, decomposed);
        assert_eq!(composed.key(), decomposed.key());
        assert_ne!("A".parse::<ReleasePath>().unwrap().key(), "a");
    }

    #[test]
    fn a_links_target_stays_inside() {
        let link: ReleasePath = "lib/a/link".parse().unwrap();
        for target in ["b", "./b", "../b", "../../b/c", "../..", ".", "b/", "../a/b"] {
            let parsed = LinkTarget::parse(target.as_bytes(), &link).unwrap();
            assert_eq!(parsed.as_str(), target);
        }
        let cases: &[(&[u8], PathRule)] = &[
            (b"", PathRule::LinkEmpty),
            (b"/etc/passwd", PathRule::LinkAbsolute),
            (b"../../..", PathRule::LinkOutside),
            (b"../../../etc/passwd", PathRule::LinkOutside),
            (b"./.././../../x", PathRule::LinkOutside),
            (b"b/../c", PathRule::LinkDetour),
            (b"b/../../../../etc", PathRule::LinkDetour),
            (b"a\x1b[2J", PathRule::Control),
        ];
        for (raw, rule) in cases {
            assert_eq!(LinkTarget::parse(raw, &link), Err(*rule));
        }
    }
}
