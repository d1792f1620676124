//! `--all`, `--host`, `--select` and `--order`, as every command that addresses hosts takes them.

use std::collections::HashMap;

use clap::{ArgGroup, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use protocol::HostName;

use crate::hosts::Host;
use crate::select::{Pattern, SelectError, nearest};

/// What says which hosts are meant.
const CHOICE: &str = "selection";

/// The hosts that a command is for.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
#[command(group = ArgGroup::new(CHOICE).required(true).args(["all", "host", "select"]))]
pub struct SelectionArgs {
    /// Every host of the fleet
    #[arg(long, help_heading = "Selection")]
    pub all: bool,
    /// This host (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub host: Vec<HostName>,
    /// Hosts by name or label: 'web*', 'role=web', 'a:b' (or), 'a:&b' (and), 'a:!b' (not), '@FILE'
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub select: Option<String>,
    /// Take the hosts in the order in which they are named, or by name
    #[arg(long, value_name = "ORDER", value_enum, default_value_t, help_heading = "Selection")]
    pub order: HostOrder,
}

/// In which order hosts are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum HostOrder {
    /// As the words, the pattern or the file names them; where one word names many, by name
    #[default]
    Given,
    /// By name
    Sorted,
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
    /// The hosts, each once. `hosts` are by name, and without anything that says otherwise so is
    /// what is given back.
    pub fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        if hosts.is_empty() {
            return Err(SelectError::NoHosts);
        }
        let mut chosen = match &self.select {
            Some(text) => Pattern::parse(text)?.select(hosts)?,
            None if self.all => hosts.iter().collect(),
            None => self.named(hosts)?,
        };
        if self.order == HostOrder::Sorted {
            chosen.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let selected = |host: &Host| Selected { host: host.clone(), skip: host.skip_reason() };
        Ok(chosen.into_iter().map(selected).collect())
    }

    /// As it was written, for the history.
    pub fn describe(&self) -> String {
        let chosen = match &self.select {
            Some(pattern) => format!("--select {pattern}"),
            None if self.all => "--all".to_owned(),
            None => {
                let names: Vec<_> = self.host.iter().map(|name| format!("--host {name}")).collect();
                names.join(" ")
            }
        };
        match self.order {
            HostOrder::Given => chosen,
            HostOrder::Sorted => format!("{chosen} --order sorted"),
        }
    }

    fn named<'a>(&self, hosts: &'a [Host]) -> Result<Vec<&'a Host>, SelectError> {
        let mut known: HashMap<_, _> = hosts.iter().map(|host| (&host.name, host)).collect();
        let mut chosen = Vec::new();
        for (place, name) in self.host.iter().enumerate() {
            match known.remove(name) {
                Some(host) => chosen.push(host),
                None if self.host[..place].contains(name) => {}
                None => {
                    let names = hosts.iter().map(|host| host.name.as_str());
                    let nearest = nearest(name.as_str(), names);
                    return Err(SelectError::NoMatch { term: name.to_string(), nearest });
                }
            }
        }
        Ok(chosen)
    }
}

/// [`SelectionArgs`] that may be left out, for commands which only look: then all are meant.
#[derive(Debug, Clone)]
pub struct SelectionOrAll(SelectionArgs);

impl SelectionOrAll {
    /// The hosts, as [`SelectionArgs::resolve`] gives them.
    pub fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        let named = &self.0;
        let all = named.all || (named.host.is_empty() && named.select.is_none());
        SelectionArgs { all, ..named.clone() }.resolve(hosts)
    }

    fn not_required(command: Command) -> Command {
        command.mut_group(CHOICE, |group| group.required(false))
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
    use crate::output::Explain as _;
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
        assert_eq!(resolve("--host web-1 --host web-2 --host web-1").unwrap(), web);
        assert_eq!(resolve("--select web*").unwrap(), web);
    }

    #[test]
    fn hosts_come_as_they_are_named_or_by_name() {
        let names = |words: &str| {
            let selected = resolve(words).unwrap();
            selected.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("--host web-2 --host web-1"), "web-2 web-1");
        assert_eq!(names("--select web-2:all"), "web-2 old-1 tool-1 web-1");
        assert_eq!(names("--select web-2:web-1 --order sorted"), "web-1 web-2");
        assert_eq!(names("--all --order given"), "old-1 tool-1 web-1 web-2");
    }

    #[test]
    fn an_unknown_host_is_an_error_with_the_nearest_name() {
        let error = resolve("--host web-1 --host wbe-2").unwrap_err();
        assert_eq!(error.to_string(), "find a host that \"wbe-2\" names");
        assert_eq!(error.hint().as_deref(), Some("is it web-2?"));
    }

    #[test]
    fn there_is_exactly_one_selection() {
        for words in [&["swarm"][..], &["swarm", "--all", "--host", "a"]] {
            assert!(Words::try_parse_from(words).is_err());
        }
        let none = SelectionArgs { all: true, ..SelectionArgs::default() };
        assert!(matches!(none.resolve(&[]), Err(SelectError::NoHosts)));
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
