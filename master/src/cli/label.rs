//! `swarm label`: what a host can be selected by.

use std::collections::BTreeMap;
use std::str::FromStr;

use api::LabelsDocument;
use clap::Args;
use control::hosts::label;
use explain::{Exit, Failure};
use protocol::{HostName, LabelError, parse_label};

use crate::cli::Context;

/// The words of `swarm label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// KEY=VALUE sets a label, KEY- removes it
    #[arg(value_name = "KEY=VALUE|KEY-", required = true)]
    changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(String, String),
    Remove(String),
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
    /// Changes the labels, and shows all that the host has then.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut set = BTreeMap::new();
        let mut remove = Vec::new();
        for change in self.changes.iter().cloned() {
            match change {
                Change::Set(key, value) => drop(set.insert(key, value)),
                Change::Remove(key) => remove.push(key),
            }
        }
        let Context { store, now, who, .. } = context;
        let labels = label(store, &self.host, (&set, &remove), who, now())?;
        if context.output.json() {
            context.output.document(&LabelsDocument { host: &self.host, labels: &labels });
        } else {
            let labels: Vec<_> =
                labels.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            context.output.data(&format!("{}:{}", self.host, labels.concat()));
        }
        Ok(Exit::Success)
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
}
