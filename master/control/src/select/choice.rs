//! Which hosts a command is for.

use std::collections::HashMap;

use explain::nearest;
use protocol::HostName;
use store::{Host, SkipReason};

use crate::select::{Pattern, SelectError};

/// The hosts that a command is for, and in which order.
#[derive(Debug, Clone)]
pub struct Selection {
    pub chosen: Chosen,
    pub order: HostOrder,
}

/// Which hosts are meant.
#[derive(Debug, Clone)]
pub enum Chosen {
    /// Every host of the fleet. One that left it is none.
    All,
    /// These, each by its name.
    Named(Vec<HostName>),
    /// Those that a pattern means, as [`Pattern::parse`] reads it.
    Pattern(String),
    /// Those that failed in a rollout.
    FailedIn {
        /// Its id, as far as it takes to tell it.
        rollout: String,
        hosts: Vec<HostName>,
    },
}

/// In which order hosts are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostOrder {
    /// As the words, the pattern or the file names them; where one word names many, by name.
    #[default]
    Given,
    /// By name.
    Sorted,
}

/// A host that was named. One that is not addressed is in the result with the reason, so that
/// nothing is left out without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The host.
    pub host: Host,
    /// Why it is skipped, if it is.
    pub skip: Option<SkipReason>,
}

impl Selection {
    /// The hosts, each once. `hosts` are by name, and without anything that says otherwise so is
    /// what is given back.
    pub fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        if hosts.is_empty() {
            return Err(SelectError::NoHosts);
        }
        let mut chosen = match &self.chosen {
            Chosen::Pattern(text) => Pattern::parse(text)?.select(hosts)?,
            Chosen::All => in_fleet(hosts)?,
            Chosen::Named(names) | Chosen::FailedIn { hosts: names, .. } => named(names, hosts)?,
        };
        if self.order == HostOrder::Sorted {
            chosen.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let selected = |host: &Host| Selected { host: host.clone(), skip: host.skip_reason() };
        Ok(chosen.into_iter().map(selected).collect())
    }

    /// As it is written on the command line, for the history.
    pub fn describe(&self) -> String {
        let chosen = match &self.chosen {
            Chosen::Pattern(pattern) => format!("--select {pattern}"),
            Chosen::All => "--all".to_owned(),
            Chosen::Named(names) => {
                let names: Vec<_> = names.iter().map(|name| format!("--host {name}")).collect();
                names.join(" ")
            }
            Chosen::FailedIn { rollout, .. } => format!("--failed-in {rollout}"),
        };
        match self.order {
            HostOrder::Given => chosen,
            HostOrder::Sorted => format!("{chosen} --order sorted"),
        }
    }

    /// Whether each host was asked for by its name.
    pub const fn is_by_name(&self) -> bool {
        matches!(self.chosen, Chosen::Named(_))
    }
}

fn in_fleet(hosts: &[Host]) -> Result<Vec<&Host>, SelectError> {
    let there: Vec<_> = hosts.iter().filter(|host| host.decommissioned_at.is_none()).collect();
    if there.is_empty() { Err(SelectError::NoHosts) } else { Ok(there) }
}

fn named<'a>(names: &[HostName], hosts: &'a [Host]) -> Result<Vec<&'a Host>, SelectError> {
    let mut known: HashMap<_, _> = hosts.iter().map(|host| (&host.name, host)).collect();
    let mut chosen = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match known.remove(name) {
            Some(host) => chosen.push(host),
            None if names[..place].contains(name) => {}
            None => {
                let all = hosts.iter().map(|host| host.name.as_str());
                let nearest = nearest(name.as_str(), all);
                return Err(SelectError::NoMatch { term: name.to_string(), nearest });
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use explain::Explain as _;
    use testing::{at, host};

    use super::*;

    fn fleet() -> Vec<Host> {
        vec![
            Host { decommissioned_at: Some(at(1)), ..host("old-1", &[]) },
            Host { has_updater: false, ..host("tool-1", &[]) },
            host("web-1", &[]),
            host("web-2", &[]),
        ]
    }

    fn named(names: &[&str]) -> Chosen {
        Chosen::Named(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    fn pattern(text: &str) -> Chosen {
        Chosen::Pattern(text.to_owned())
    }

    fn resolve(chosen: Chosen) -> Result<Vec<(String, Option<String>)>, SelectError> {
        let selected = Selection { chosen, order: HostOrder::Given }.resolve(&fleet())?;
        Ok(selected
            .into_iter()
            .map(|one| (one.host.name.into(), one.skip.map(|it| it.to_string())))
            .collect())
    }

    #[test]
    fn all_is_all_and_who_is_left_out_is_named() {
        let tool = ("tool-1".to_owned(), Some("enrolled without an updater".to_owned()));
        let web = [("web-1".to_owned(), None), ("web-2".to_owned(), None)];
        let all = [vec![tool], web.to_vec()].concat();
        assert_eq!(resolve(Chosen::All).unwrap(), all, "old-1 is no host of the fleet any more");
        assert_eq!(resolve(pattern("all")).unwrap(), all);
        let old = resolve(named(&["old-1"])).unwrap();
        assert_eq!(old, [("old-1".to_owned(), Some("decommissioned".to_owned()))]);
        let gone = Host { decommissioned_at: Some(at(1)), ..host("a", &[]) };
        let nobody = Selection { chosen: Chosen::All, order: HostOrder::Given }.resolve(&[gone]);
        assert!(matches!(nobody, Err(SelectError::NoHosts)));
    }

    #[test]
    fn hosts_are_named_one_by_one_or_by_pattern() {
        let web = [("web-1".to_owned(), None), ("web-2".to_owned(), None)];
        assert_eq!(resolve(named(&["web-1", "web-2", "web-1"])).unwrap(), web);
        assert_eq!(resolve(pattern("web*")).unwrap(), web);
    }

    #[test]
    fn hosts_come_as_they_are_named_or_by_name() {
        let names = |chosen, order| {
            let selected = Selection { chosen, order }.resolve(&fleet()).unwrap();
            let names: Vec<_> = selected.iter().map(|one| one.host.name.as_str()).collect();
            names.join(" ")
        };
        let (given, sorted) = (HostOrder::Given, HostOrder::Sorted);
        assert_eq!(names(named(&["web-2", "web-1"]), given), "web-2 web-1");
        assert_eq!(names(pattern("web-2:all"), given), "web-2 tool-1 web-1");
        assert_eq!(names(pattern("web-2:web-1"), sorted), "web-1 web-2");
        assert_eq!(names(Chosen::All, given), "tool-1 web-1 web-2");
    }

    #[test]
    fn an_unknown_host_is_an_error_with_the_nearest_name() {
        let error = resolve(named(&["web-1", "wbe-2"])).unwrap_err();
        assert_eq!(error.to_string(), "find a host that \"wbe-2\" names");
        assert_eq!(error.hint().as_deref(), Some("is it web-2?"));
    }

    #[test]
    fn of_no_hosts_none_can_be_meant() {
        let all = Selection { chosen: Chosen::All, order: HostOrder::Given };
        assert!(matches!(all.resolve(&[]), Err(SelectError::NoHosts)));
    }
}
