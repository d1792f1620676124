//! Names, `--all`, `--host`, `--select` and `--order`, as every command that addresses hosts takes them.

use clap::{ArgGroup, ArgMatches, Args, Command, FromArgMatches};
use control::select::{Chosen, HostOrder, SelectError, Selected, Selection, reserved_warning};
use protocol::HostName;
use store::Host;

use crate::cli::Context;
use crate::cli::choice::Choice;

/// What says which hosts are meant.
const CHOICE: &str = "selection";

/// The hosts that a command is for.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
#[command(group = ArgGroup::new(CHOICE).required(true).args(["names", "all", "host", "select"]))]
pub struct SelectionArgs {
    /// These hosts, as with --host
    #[arg(value_name = "HOST")]
    names: Vec<HostName>,
    /// Every host of the fleet
    #[arg(long, help_heading = "Selection")]
    all: bool,
    /// This host (may be repeated)
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    host: Vec<HostName>,
    /// Hosts by name or label: 'web*', 'role=web', 'a:b' (or), 'a:&b' (and), 'a:!b' (not), '@FILE'
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    select: Option<String>,
    /// The order in which hosts are taken
    #[arg(long, value_name = "ORDER", value_enum, default_value_t, help_heading = "Selection")]
    order: Choice<HostOrder>,
}

impl SelectionArgs {
    /// What these words mean.
    pub(super) fn selection(&self) -> Selection {
        let chosen = match &self.select {
            Some(pattern) => Chosen::Pattern(pattern.clone()),
            None if self.all => Chosen::All,
            None => Chosen::Named([&*self.names, &*self.host].concat()),
        };
        Selection { chosen, order: self.order.0 }
    }
}

/// [`SelectionArgs`] that may be left out, for commands which only look: then all are meant.
#[derive(Debug, Clone)]
pub struct SelectionOrAll(SelectionArgs);

impl SelectionOrAll {
    /// The hosts, as [`Selection::resolve`] gives them.
    pub(super) fn resolve(&self, hosts: &[Host]) -> Result<Vec<Selected>, SelectError> {
        let all = self.0.all || self.is_unsaid();
        SelectionArgs { all, ..self.0.clone() }.selection().resolve(hosts)
    }

    /// Whether nothing was said of which hosts are meant.
    pub(super) fn is_unsaid(&self) -> bool {
        let Self(SelectionArgs { names, all, host, select, .. }) = self;
        !all && names.is_empty() && host.is_empty() && select.is_none()
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

/// Says which host has a name that selections take for something else.
pub(super) fn warn_of_names(context: &Context, hosts: &[Host]) {
    if let Some(warning) = reserved_warning(hosts) {
        context.output.note(&format!("warning: {warning}"));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use testing::host;

    use super::*;

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

    #[test]
    fn there_is_exactly_one_selection() {
        let two = [&["swarm", "--all", "--host", "a"][..], &["swarm", "a", "--host", "b"]];
        for words in [&["swarm"][..], &["swarm", "a", "--all"]].into_iter().chain(two) {
            assert!(Words::try_parse_from(words).is_err());
        }
    }

    #[test]
    fn what_was_written_is_described() {
        for words in ["--all", "--host a --host b", "--select web* --order sorted"] {
            let all = std::iter::once("swarm").chain(words.split(' '));
            let selection = Words::try_parse_from(all).unwrap().selection.selection();
            assert_eq!(selection.describe(), words);
        }
        let named = Words::try_parse_from(["swarm", "a", "b"]).unwrap().selection.selection();
        assert_eq!(named.describe(), "--host a --host b");
    }

    #[test]
    fn a_command_that_only_looks_looks_at_all() {
        let fleet = ["old-1", "tool-1", "web-1", "web-2"].map(|name| host(name, &[]));
        let looks = |words: &[&str]| {
            let selection = Looks::try_parse_from(words).unwrap().selection;
            selection.resolve(&fleet).unwrap().len()
        };
        assert_eq!(looks(&["swarm"]), 4);
        assert_eq!(looks(&["swarm", "--all"]), 4);
        assert_eq!(looks(&["swarm", "--host", "web-1"]), 1);
        assert_eq!(looks(&["swarm", "web-1", "web-2"]), 2);
        assert_eq!(looks(&["swarm", "--select", "web*"]), 2);
        assert!(Looks::try_parse_from(["swarm", "--all", "--host", "web-1"]).is_err());
    }
}
