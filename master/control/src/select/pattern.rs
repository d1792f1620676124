//! The pattern language of Ansible, over names and labels.
//!
//! Terms are joined by `:` or `,`; one that begins with `&` must hold too, one that begins with `!`
//! must not. As there, the order in which they are written does not matter for which hosts are
//! meant: unions come first, then intersections, then exclusions; without a union, all hosts are
//! meant. It matters for the order in which they come.

use store::Host;
use strum::VariantArray as _;

use crate::select::SelectError;
use crate::select::condition::Term;
use crate::select::set_operator::SetOperator;
use crate::select::split::split;

/// A pattern that was understood.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    /// As they are written.
    terms: Vec<(SetOperator, Term)>,
}

impl Pattern {
    /// Reads a pattern, and the files that it names. White space around terms does not count.
    pub fn parse(text: &str) -> Result<Self, SelectError> {
        let term = |part: &str| -> Result<_, SelectError> {
            let (operator, term) = SetOperator::split(part.trim());
            Ok((operator, Term::parse(text, term.trim())?))
        };
        let terms = split(text).into_iter().map(term).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), terms })
    }

    /// The hosts that it selects, each once: in the order in which its terms name them, and those
    /// of one term as `hosts` has them. Every term must match some host, those that exclude too: a
    /// term that matches nothing is a mistake that would otherwise pass unseen.
    pub fn select<'a>(&self, hosts: &'a [Host]) -> Result<Vec<&'a Host>, SelectError> {
        let has_union = self.terms.iter().any(|(operator, _)| *operator == SetOperator::Union);
        let mut selected = if has_union { Vec::new() } else { (0..hosts.len()).collect() };
        for operator in SetOperator::VARIANTS {
            for (_, term) in self.terms.iter().filter(|(its, _)| its == operator) {
                operator.apply(&mut selected, term.find(hosts)?);
            }
        }
        if selected.is_empty() {
            return Err(SelectError::Nothing(self.text.clone()));
        }
        Ok(selected.into_iter().map(|place| &hosts[place]).collect())
    }
}

#[cfg(test)]
mod tests {
    use explain::Explain as _;
    use testing::host;

    use super::*;

    fn fleet() -> Vec<Host> {
        vec![
            host("db-1", &["role=db", "zone=a"]),
            host("web-1", &["role=web", "zone=a"]),
            host("web-2", &["role=web", "zone=b"]),
            host("web-3.example.org", &["role=web-old", "rack/row=7"]),
        ]
    }

    fn select(pattern: &str) -> Result<String, SelectError> {
        let fleet = fleet();
        let hosts = Pattern::parse(pattern)?.select(&fleet)?;
        Ok(hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(" "))
    }

    fn selected(pattern: &str) -> String {
        select(pattern).unwrap()
    }

    fn refused(pattern: &str) -> SelectError {
        select(pattern).unwrap_err()
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
        assert_eq!(selected("db-1:web-1"), "db-1 web-1");
        assert_eq!(selected("db-1,web-1"), "db-1 web-1");
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
        assert_eq!(selected(" db-1 , web-1 "), "db-1 web-1");
    }

    #[test]
    fn hosts_come_in_the_order_in_which_they_are_named_and_each_once() {
        assert_eq!(selected("web-2:db-1:web-1"), "web-2 db-1 web-1");
        assert_eq!(selected("web-2:zone=a:all:!web-3*"), "web-2 db-1 web-1");
        assert_eq!(selected("&zone=a,web-1,db-1"), "web-1 db-1");
    }

    #[test]
    fn a_position_counts_the_hosts_that_a_term_matches() {
        assert_eq!(selected("role=web*[0]"), "web-1");
        assert_eq!(selected("web*[-1]"), "web-3.example.org");
        assert_eq!(selected("all[1:2]"), "web-1 web-2");
        assert_eq!(selected("web*:!web*[1:]"), "web-1");
        assert!(matches!(refused("web*[3]"), SelectError::NoPosition { there: 3, .. }));
        // Not the hosts 1 and 3: the user is told.
        let refused = refused("web-[13]");
        assert!(matches!(refused, SelectError::NoMatch { .. }));
        assert!(refused.hint().unwrap().contains("counts hosts from 0"));
        // Who is not addressed is not counted.
        let gone = Host { decommissioned_at: Some(testing::at(1)), ..host("a", &[]) };
        let hosts = [gone, host("b", &[])];
        let first = Pattern::parse("all[0]").unwrap();
        assert_eq!(first.select(&hosts).unwrap(), [&hosts[1]]);
    }

    #[test]
    fn a_regular_expression_holds_from_the_beginning_of_a_name() {
        assert_eq!(selected(r"~web-\d$"), "web-1 web-2");
        assert_eq!(selected("~(web|db)-[1-2]"), "db-1 web-1 web-2");
        assert_eq!(selected(r"~web-\d{1,2}$:db-1"), "web-1 web-2 db-1");
        assert_eq!(selected("all:!~web"), "db-1");
        assert!(matches!(refused("~eb"), SelectError::NoMatch { .. }));
        assert!(matches!(refused("~web-("), SelectError::BadRegex { .. }));
        assert!(matches!(refused("~x{999}{999}"), SelectError::BadRegex { .. }));
    }

    #[test]
    fn a_file_is_a_term_as_any_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "web-2\nweb-1\n").unwrap();
        let path = file.path().display();
        assert_eq!(selected(&format!("@{path}")), "web-2 web-1");
        assert_eq!(selected(&format!("all:!@{path}")), "db-1 web-3.example.org");
        assert_eq!(selected(&format!("@{path},db-1:&zone=b")), "web-2");
        assert!(matches!(refused("@"), SelectError::NoFile(_)));
    }

    #[test]
    fn lesson_38_a_separator_selects_nobody() {
        for pattern in
            ["", " ", ",", ":", "web-1,", ":web-1", "web-1::db-1", "!", "&", "web-1:!", "~", "~^$"]
        {
            assert!(matches!(refused(pattern), SelectError::EmptyTerm(_)), "{pattern:?}");
        }
    }

    #[test]
    fn lesson_38_a_bad_glob_is_an_error_in_an_exclusion_too() {
        for pattern in ["web-[1", "all:!web-[1", "role=[web", "all:!web-[2-1]"] {
            assert!(matches!(refused(pattern), SelectError::BadGlob { .. }), "{pattern}");
        }
        for pattern in ["web-1;db-1", "a b", "=web", "role=", "a=b=c", "web-{1,2}"] {
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
        for pattern in ["web-1:&db-1", "all:!all"] {
            assert!(matches!(refused(pattern), SelectError::Nothing(_)), "{pattern}");
        }
    }

    #[test]
    fn case_counts_in_globs() {
        assert!(matches!(refused("WEB-1"), SelectError::NoMatch { .. }));
    }
}
