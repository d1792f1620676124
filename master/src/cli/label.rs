//! `swarm label`: what a host can be selected by.

use std::collections::BTreeMap;
use std::str::FromStr;

use api::LabelsDocument;
use clap::Args;
use control::hosts::label;
use control::select::{Chosen, HostOrder, Selected, Selection};
use explain::{Exit, Explain, Failure};
use protocol::{HostName, LabelError, NameError, parse_label};
use store::Host;

use crate::cli::Context;
use crate::output::Output;

/// The words of `swarm label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The hosts, then the changes: KEY=VALUE sets a label, KEY- removes it
    #[arg(value_name = "HOST|KEY=VALUE|KEY-", required = true)]
    words: Vec<Word>,
    /// Hosts by name or label, as with `swarm update`: 'web*', 'role=web', '@FILE'
    #[arg(long, value_name = "PATTERN")]
    select: Option<String>,
}

/// A host is told from a change by what it cannot have: `=`, or `-` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Host(HostName),
    Change(Change),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(String, String),
    Remove(String),
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        if text.contains('=') || text.ends_with('-') {
            Ok(Self::Change(text.parse()?))
        } else {
            Ok(Self::Host(text.parse()?))
        }
    }
}

/// Why a word is neither a host nor a change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum WordError {
    #[error(transparent)]
    Host(#[from] NameError),
    #[error(transparent)]
    Label(#[from] LabelError),
}

/// What is missing of the words.
#[derive(Debug, thiserror::Error)]
enum MissingWord {
    #[error("label a host: none is named")]
    Host,
    #[error("label a host: no label is named")]
    Change,
}

impl Explain for MissingWord {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("for example: swarm label web-1 web-2 role=web zone-".to_owned())
    }
}

impl FromStr for Change {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.strip_suffix('-') {
            Some(key) if !key.contains('=') && parse_label(&format!("{key}=x")).is_ok() => {
                Ok(Self::Remove(key.to_owned()))
            }
            _ => parse_label(text).map(|(key, value)| Self::Set(key, value)),
        }
    }
}

impl LabelArgs {
    /// Changes the labels, and shows all that each host has then.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, now, who, output, .. } = context;
        let (mut set, mut remove) = (BTreeMap::new(), Vec::new());
        let mut names = Vec::new();
        for word in self.words.iter().cloned() {
            match word {
                Word::Host(name) => names.push(name),
                Word::Change(Change::Set(key, value)) => drop(set.insert(key, value)),
                Word::Change(Change::Remove(key)) => remove.push(key),
            }
        }
        let hosts = self.hosts(names, &store.hosts()?)?;
        if set.is_empty() && remove.is_empty() {
            return Err(MissingWord::Change.into());
        }
        let mut labelled = Vec::new();
        for Host { name, labels: before, .. } in hosts {
            for key in remove.iter().filter(|key| !before.contains_key(*key)) {
                output.note(&format!("{name} has no label {key}"));
            }
            let labels = label(store, &name, (&set, &remove), who, now())?;
            labelled.push(LabelsDocument { host: name, labels });
        }
        self.show(&labelled, output);
        Ok(Exit::Success)
    }

    /// The hosts that are named, each once, and those that the pattern means.
    fn hosts(&self, names: Vec<HostName>, fleet: &[Host]) -> Result<Vec<Host>, Failure> {
        if names.is_empty() && self.select.is_none() {
            return Err(MissingWord::Host.into());
        }
        let written = (!names.is_empty()).then_some(Chosen::Named(names));
        let pattern = self.select.clone().map(Chosen::Pattern);
        let mut hosts: Vec<Host> = Vec::new();
        for chosen in written.into_iter().chain(pattern) {
            let selection = Selection { chosen, order: HostOrder::Given };
            for Selected { host, .. } in selection.resolve(fleet)? {
                if hosts.iter().all(|known| known.name != host.name) {
                    hosts.push(host);
                }
            }
        }
        Ok(hosts)
    }

    /// One document for one host that was named, else a list of them.
    fn show(&self, labelled: &[LabelsDocument], output: &Output) {
        match labelled {
            [one] if output.json() && self.select.is_none() => output.document(one),
            all if output.json() => output.document(&all),
            all => {
                for LabelsDocument { host, labels } in all {
                    let labels: Vec<_> =
                        labels.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                    output.data(&format!("{host}:{}", labels.concat()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_sets_or_removes() {
        assert_eq!("a=b".parse(), Ok(Change::Set("a".to_owned(), "b".to_owned())));
        assert_eq!("a=b-".parse(), Ok(Change::Set("a".to_owned(), "b-".to_owned())));
        assert_eq!("role-".parse(), Ok(Change::Remove("role".to_owned())));
        for bad in ["role", "-", "", "a b-", "=x"] {
            assert!(bad.parse::<Change>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_word_is_a_host_or_a_change() {
        assert!(matches!("web-1".parse(), Ok(Word::Host(_))));
        assert!(matches!("web-1-".parse(), Ok(Word::Change(Change::Remove(_)))));
        assert!(matches!("role=web".parse(), Ok(Word::Change(Change::Set(..)))));
        assert!("web/1".parse::<Word>().is_err());
    }
}
