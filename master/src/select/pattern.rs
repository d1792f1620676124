//! The pattern language of Ansible, over names and labels.
//!
//! Terms are joined by `:` or `,`; one that begins with `&` must hold too, one that begins with `!`
//! must not. As there, the order in which they are written does not matter: unions come first,
//! then intersections, then exclusions; without a union, all hosts are meant.

use std::collections::BTreeSet;

use globset::{Glob, GlobMatcher};
use protocol::HostName;

use crate::hosts::Host;
use crate::select::{SelectError, nearest};

/// A pattern that was understood.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    unions: Vec<Term>,
    intersections: Vec<Term>,
    exclusions: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Term {
    text: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    All,
    Name(GlobMatcher),
    Label { key: GlobMatcher, value: GlobMatcher },
}

impl Pattern {
    /// Reads a pattern. White space around terms does not count.
    pub fn parse(text: &str) -> Result<Self, SelectError> {
        let mut pattern = Self {
            text: text.to_owned(),
            unions: Vec::new(),
            intersections: Vec::new(),
            exclusions: Vec::new(),
        };
        for part in text.split([':', ',']) {
            let part = part.trim();
            let (group, term) = match (part.strip_prefix('&'), part.strip_prefix('!')) {
                (Some(rest), _) => (&mut pattern.intersections, rest),
                (_, Some(rest)) => (&mut pattern.exclusions, rest),
                _ => (&mut pattern.unions, part),
            };
            group.push(Term::parse(text, term.trim())?);
        }
        Ok(pattern)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that it selects. Every term must match some host, those that exclude too: a term
    /// that matches nothing is a mistake that would otherwise pass unseen.
    pub fn select(&self, hosts: &[Host]) -> Result<BTreeSet<HostName>, SelectError> {
        let all = || hosts.iter().map(|host| host.name.clone()).collect::<BTreeSet<_>>();
        let mut selected = if self.unions.is_empty() { all() } else { BTreeSet::new() };
        for term in &self.unions {
            selected.append(&mut term.matches(hosts)?);
        }
        for term in &self.intersections {
            let others = term.matches(hosts)?;
            selected.retain(|name| others.contains(name));
        }
        for term in &self.exclusions {
            let others = term.matches(hosts)?;
            selected.retain(|name| !others.contains(name));
        }
        if selected.is_empty() {
            return Err(SelectError::Nothing(self.text.clone()));
        }
        Ok(selected)
    }
}

impl Term {
    fn parse(pattern: &str, text: &str) -> Result<Self, SelectError> {
        if text.is_empty() {
            return Err(SelectError::EmptyTerm(pattern.to_owned()));
        }
        let known = |c: char| c.is_ascii_alphanumeric() || "-_./*?[]!^=".contains(c);
        if !text.chars().all(known) || text.matches('=').count() > 1 {
            let (pattern, term) = (pattern.to_owned(), text.to_owned());
            return Err(SelectError::BadTerm { pattern, term });
        }
        let glob = |part: &str| {
            Glob::new(part).map(|glob| glob.compile_matcher()).map_err(|source| {
                let (pattern, term) = (pattern.to_owned(), text.to_owned());
                SelectError::BadGlob { pattern, term, source }
            })
        };
        let condition = match text.split_once('=') {
            None if text == "all" => Test::All,
            None => Test::Name(glob(text)?),
            Some(("", _) | (_, "")) => {
                let (pattern, term) = (pattern.to_owned(), text.to_owned());
                return Err(SelectError::BadTerm { pattern, term });
            }
            Some((key, value)) => Test::Label { key: glob(key)?, value: glob(value)? },
        };
        Ok(Self { text: text.to_owned(), test: condition })
    }

    fn matches(&self, hosts: &[Host]) -> Result<BTreeSet<HostName>, SelectError> {
        let matched: BTreeSet<_> =
            hosts.iter().filter(|host| self.holds(host)).map(|host| host.name.clone()).collect();
        if matched.is_empty() {
            return Err(SelectError::NoMatch {
                term: self.text.clone(),
                nearest: self.nearest(hosts),
            });
        }
        Ok(matched)
    }

    fn holds(&self, host: &Host) -> bool {
        match &self.test {
            Test::All => true,
            Test::Name(glob) => glob.is_match(host.name.as_str()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::testing::host;

    fn fleet() -> Vec<Host> {
        vec![
            host("db-1", &["role=db", "zone=a"]),
            host("web-1", &["role=web", "zone=a"]),
            host("web-2", &["role=web", "zone=b"]),
            host("web-3.example.org", &["role=web-old", "rack/row=7"]),
        ]
    }

    fn selected(pattern: &str) -> String {
        let names = Pattern::parse(pattern).and_then(|pattern| pattern.select(&fleet()));
        let names: Vec<String> = names.unwrap().into_iter().map(String::from).collect();
        names.join(" ")
    }

    fn refused(pattern: &str) -> SelectError {
        Pattern::parse(pattern).and_then(|pattern| pattern.select(&fleet())).unwrap_err()
    }

    #[test]
    fn terms_are_names_globs_and_labels() {
        assert_eq!(selected("web-1"), "web-1");
        assert_eq!(selected("web-?"), "web-1 web-2");
        assert_eq!(selected("web-[13]*"), "web-1 web-3.example.org");
        assert_eq!(selected("role=web"), "web-1 web-2");
        assert_eq!(selected("role=web*"), "web-1 web-2 web-3.example.org");
        assert_eq!(selected("rack/row=7"), "web-3.example.org");
        assert_eq!(selected("*=a"), "db-1 web-1");
        assert_eq!(selected("all"), selected("*"));
    }

    #[test]
    fn unions_come_first_then_intersections_then_exclusions() {
        assert_eq!(selected("web-1:db-1"), "db-1 web-1");
        assert_eq!(selected("web-1,db-1"), "db-1 web-1");
        assert_eq!(selected("web*:&zone=a"), "web-1");
        assert_eq!(selected("web*:!zone=a"), "web-2 web-3.example.org");
        assert_eq!(selected("role=web:db-1:&zone=a:!web-1"), "db-1");
        // In whatever order they are written.
        for pattern in ["!web-1:&zone=a:role=web:db-1", "&zone=a,role=web,!web-1,db-1"] {
            assert_eq!(selected(pattern), "db-1", "{pattern}");
        }
        // Every intersection must hold.
        assert_eq!(selected("all:&role=web:&zone=b"), "web-2");
        // Without a union, all hosts are meant.
        assert_eq!(selected("!role=web*"), "db-1");
        assert_eq!(selected("&zone=b"), "web-2");
        assert_eq!(selected(" web-1 , db-1 "), "db-1 web-1");
    }

    #[test]
    fn lesson_38_a_separator_selects_nobody() {
        for pattern in ["", " ", ",", ":", "web-1,", ":web-1", "web-1::db-1", "!", "&", "web-1:!"] {
            assert_eq!(refused(pattern), SelectError::EmptyTerm(pattern.to_owned()), "{pattern:?}");
        }
    }

    #[test]
    fn lesson_38_a_bad_glob_is_an_error_in_an_exclusion_too() {
        for pattern in ["web-[1", "all:!web-[1", "role=[web", "all:!web-[2-1]"] {
            assert!(matches!(refused(pattern), SelectError::BadGlob { .. }), "{pattern}");
        }
        for pattern in ["~web.*", "web-1;db-1", "a b", "=web", "role=", "a=b=c", "web-{1,2}"] {
            assert!(matches!(refused(pattern), SelectError::BadTerm { .. }), "{pattern}");
        }
    }

    #[test]
    fn lesson_38_a_term_that_matches_nothing_is_mentioned() {
        for (pattern, nearest) in [
            ("wbe-1", Some("web-1")),
            ("all:!wbe-1", Some("web-1")),
            ("all:&role=wbe", Some("role=web")),
            ("web-1,mail*", None),
        ] {
            let SelectError::NoMatch { nearest: found, .. } = refused(pattern) else {
                panic!("{pattern}");
            };
            assert_eq!(found.as_deref(), nearest, "{pattern}");
        }
        assert_eq!(refused("web-1:&db-1"), SelectError::Nothing("web-1:&db-1".to_owned()));
        assert_eq!(refused("all:!all"), SelectError::Nothing("all:!all".to_owned()));
    }

    #[test]
    fn case_counts_in_globs() {
        assert!(matches!(refused("WEB-1"), SelectError::NoMatch { .. }));
    }
}
