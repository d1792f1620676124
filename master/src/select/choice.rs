//! `--all`, `--host` and `--select`, as every command that addresses hosts takes them.

use std::collections::BTreeSet;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use protocol::HostName;

use crate::hosts::Host;
use crate::select::{Pattern, SelectError, nearest};

/// The hosts that a command is for.
#[derive(Debug, Clone, Default, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArgs {
    /// Every host of the fleet
    #[arg(long, help_heading = "Selection")]
    pub all: bool,
    /// This host (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub host: Vec<HostName>,
    /// Hosts by name or label: 'web*', 'role=web', 'a:b' (or), 'a:&b' (and), 'a:!b' (not)
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub select: Option<String>,
}

/// A host that was named. One that is not addressed is in the result with the reason, so that
/// nothing is left out without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The host.
    pub host: Host,
    /// Why it is skipped, if it is.
    pub skip: Option<&'static str>,
}

impl SelectionArgs {
    /// The hosts, by name.
    pub fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        if hosts.is_empty() {
            return Err(SelectError::NoHosts);
        }
        let names = match &self.select {
            Some(text) => Pattern::parse(text)?.select(hosts)?,
            None if self.all => hosts.iter().map(|host| host.name.clone()).collect(),
            None => self.named(hosts)?,
        };
        let selected = hosts.iter().filter(|host| names.contains(&host.name));
        Ok(selected.map(|host| Selected { host: host.clone(), skip: host.skip_reason() }).collect())
    }

    /// As it was written, for the history.
    pub fn describe(&self) -> String {
        match &self.select {
            Some(pattern) => format!("--select {pattern}"),
            None if self.all => "--all".to_owned(),
            None => {
                let names: Vec<_> = self.host.iter().map(|name| format!("--host {name}")).collect();
                names.join(" ")
            }
        }
    }

    fn named(&self, hosts: &[Host]) -> Result<BTreeSet<HostName>, SelectError> {
        let unknown = |name: &&HostName| !hosts.iter().any(|host| host.name == **name);
        match self.host.iter().find(unknown) {
            None => Ok(self.host.iter().cloned().collect()),
            Some(name) => Err(SelectError::NoMatch {
                term: name.to_string(),
                nearest: nearest(name.as_str(), hosts.iter().map(|host| host.name.as_str())),
            }),
        }
    }
}

/// [`SelectionArgs`] that may be left out, for commands which only look: then all are meant.
#[derive(Debug, Clone)]
pub struct SelectionOrAll(SelectionArgs);

impl SelectionOrAll {
    /// The hosts, by name.
    pub fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        let named = &self.0;
        let all = named.all || (named.host.is_empty() && named.select.is_none());
        SelectionArgs { all, ..named.clone() }.resolve(hosts)
    }

    fn not_required(command: Command) -> Command {
        command.mut_group("SelectionArgs", |group| group.required(false))
    }
}

impl Args for SelectionOrAll {
    fn augment_args(command: Command) -> Command {
        Self::not_required(SelectionArgs::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::not_required(SelectionArgs::augment_args_for_update(command))
    }
}

impl FromArgMatches for SelectionOrAll {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        SelectionArgs::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::hosts::testing::host;
    use crate::store::testing::at;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        selection: SelectionArgs,
    }

    #[derive(Debug, Parser)]
    struct Looks {
        #[command(flatten)]
        selection: SelectionOrAll,
    }

    fn fleet() -> Vec<Host> {
        vec![
            Host { decommissioned_at: Some(at(1)), ..host("old-1", &[]) },
            Host { has_updater: false, ..host("tool-1", &[]) },
            host("web-1", &[]),
            host("web-2", &[]),
        ]
    }

    fn resolve(words: &str) -> Result<Vec<(String, Option<&'static str>)>, SelectError> {
        let words = std::iter::once("swarm").chain(words.split(' '));
        let selected = Words::try_parse_from(words).unwrap().selection.resolve(&fleet())?;
        Ok(selected.into_iter().map(|one| (one.host.name.into(), one.skip)).collect())
    }

    #[test]
    fn all_is_all_and_who_is_left_out_is_named() {
        let expected = [
            ("old-1".to_owned(), Some("decommissioned")),
            ("tool-1".to_owned(), Some("enrolled without an updater")),
            ("web-1".to_owned(), None),
            ("web-2".to_owned(), None),
        ];
        assert_eq!(resolve("--all").unwrap(), expected);
    }

    #[test]
    fn hosts_are_named_one_by_one_or_by_pattern() {
        let web = [("web-1".to_owned(), None), ("web-2".to_owned(), None)];
        assert_eq!(resolve("--host web-2 --host web-1 --host web-2").unwrap(), web);
        assert_eq!(resolve("--select web*").unwrap(), web);
    }

    #[test]
    fn an_unknown_host_is_an_error_with_the_nearest_name() {
        let error = resolve("--host web-1 --host wbe-2").unwrap_err();
        let nearest = Some("web-2".to_owned());
        assert_eq!(error, SelectError::NoMatch { term: "wbe-2".to_owned(), nearest });
        assert_eq!(error.to_string(), "find a host that \"wbe-2\" names");
    }

    #[test]
    fn there_is_exactly_one_selection() {
        for words in [&["swarm"][..], &["swarm", "--all", "--host", "a"]] {
            assert!(Words::try_parse_from(words).is_err());
        }
        let none = SelectionArgs { all: true, ..SelectionArgs::default() };
        assert_eq!(none.resolve(&[]), Err(SelectError::NoHosts));
    }

    #[test]
    fn a_command_that_only_looks_looks_at_all() {
        let looks = |words: &[&str]| {
            let selection = Looks::try_parse_from(words).unwrap().selection;
            selection.resolve(&fleet()).unwrap().len()
        };
        assert_eq!(looks(&["swarm"]), 4);
        assert_eq!(looks(&["swarm", "--all"]), 4);
        assert_eq!(looks(&["swarm", "--host", "web-1"]), 1);
        assert_eq!(looks(&["swarm", "--select", "web*"]), 2);
        assert!(Looks::try_parse_from(["swarm", "--all", "--host", "web-1"]).is_err());
    }
}
