//! One term of a pattern: a name, a glob, a label, a regular expression or a file. What a term may
//! compare, and how, is decided here; what its hosts do to those selected so far, in `set_operator`.

use std::path::Path;

use explain::nearest;
use globset::{Glob, GlobMatcher};
use regex::{Regex, RegexBuilder};
use store::Host;

use crate::select::SelectError;
use crate::select::host_file::HostFile;
use crate::select::position::Position;

/// What a compiled regular expression may take, in bytes.
const REGEX_BYTES: usize = 1 << 20;

/// A term that was understood.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// The hosts that a file names.
    File(HostFile),
    /// Those for which something holds.
    Where(Condition),
}

/// What holds for some hosts.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    text: String,
    test: Test,
    position: Option<Position>,
}

#[derive(Debug, Clone)]
enum Test {
    All,
    Name(GlobMatcher),
    Regex(Regex),
    Label { key: GlobMatcher, value: GlobMatcher },
}

impl Term {
    /// Reads a term of `pattern`, and the file that it names.
    pub(super) fn parse(pattern: &str, text: &str) -> Result<Self, SelectError> {
        if text.is_empty() {
            return Err(SelectError::EmptyTerm(pattern.to_owned()));
        }
        match text.strip_prefix('@') {
            Some("") => Err(SelectError::NoFile(pattern.to_owned())),
            Some(path) => HostFile::read(Path::new(path)).map(Self::File),
            None => Condition::parse(pattern, text).map(Self::Where),
        }
    }

    /// Where the hosts that it matches stand in `hosts`: in that order, and those of a file in
    /// the file's. There is at least one.
    pub(super) fn find(&self, hosts: &[Host]) -> Result<Vec<usize>, SelectError> {
        match self {
            Self::File(file) => file.find(hosts),
            Self::Where(condition) => condition.find(hosts),
        }
    }
}

impl Condition {
    fn parse(pattern: &str, text: &str) -> Result<Self, SelectError> {
        let (pattern, term) = (|| pattern.to_owned(), || text.to_owned());
        let bad_term = || SelectError::BadTerm { pattern: pattern(), term: term() };
        let bad_glob = |source| SelectError::BadGlob { pattern: pattern(), term: term(), source };
        let bad_regex = |source: regex::Error| SelectError::BadRegex {
            pattern: pattern(),
            term: term(),
            source: source.into(),
        };
        if let Some(regex) = text.strip_prefix('~') {
            // An empty one, as an empty variable makes it, would match every host.
            if regex.trim_matches(['^', '$']).is_empty() {
                return Err(SelectError::EmptyTerm(pattern()));
            }
            let regex = RegexBuilder::new(regex).size_limit(REGEX_BYTES).build();
            let condition = Test::Regex(regex.map_err(bad_regex)?);
            return Ok(Self { text: term(), test: condition, position: None });
        }
        let (words, position) = Position::split(text);
        let known = |c: char| c.is_ascii_alphanumeric() || "-_./*?[]!^=".contains(c);
        if !words.chars().all(known) || words.matches('=').count() > 1 {
            return Err(bad_term());
        }
        let glob = |part| Glob::new(part).map(|glob| glob.compile_matcher()).map_err(bad_glob);
        let condition = match words.split_once('=') {
            None if words == "all" => Test::All,
            None => Test::Name(glob(words)?),
            Some(("", _) | (_, "")) => return Err(bad_term()),
            Some((key, value)) => Test::Label { key: glob(key)?, value: glob(value)? },
        };
        Ok(Self { text: term(), test: condition, position })
    }

    fn find(&self, hosts: &[Host]) -> Result<Vec<usize>, SelectError> {
        let places = (0..hosts.len()).filter(|place| self.holds(&hosts[*place]));
        let mut places: Vec<_> = places.collect();
        if let Some(position) = self.position {
            // Who is not addressed has no place in the line.
            places.retain(|place| hosts[*place].skip_reason().is_none());
            let there = places.len();
            places = position.of(&places).to_vec();
            if places.is_empty() && there > 0 {
                return Err(SelectError::NoPosition { term: self.text.clone(), there });
            }
        }
        if places.is_empty() {
            let (term, nearest) = (self.text.clone(), self.nearest(hosts));
            return Err(SelectError::NoMatch { term, nearest });
        }
        Ok(places)
    }

    fn holds(&self, host: &Host) -> bool {
        let name = host.name.as_str();
        match &self.test {
            Test::All => host.decommissioned_at.is_none(),
            Test::Name(glob) => glob.is_match(name),
            // As in Ansible: from the beginning of the name, and not necessarily to its end.
            Test::Regex(regex) => regex.find(name).is_some_and(|found| found.start() == 0),
            Test::Label { key, value } => {
                host.labels.iter().any(|(k, v)| key.is_match(k) && value.is_match(v))
            }
        }
    }

    fn nearest(&self, hosts: &[Host]) -> Option<String> {
        let labels: Vec<String> = hosts
            .iter()
            .flat_map(|host| host.labels.iter().map(|(key, value)| format!("{key}={value}")))
            .collect();
        match self.test {
            Test::Label { .. } => nearest(&self.text, labels.iter().map(String::as_str)),
            _ => nearest(&self.text, hosts.iter().map(|host| host.name.as_str())),
        }
    }
}
