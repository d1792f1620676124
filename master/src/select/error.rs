//! What can be wrong with a selection.

use crate::output::{Exit, Explain};

/// Why a selection names no hosts. Nothing is ever addressed by a selection that is partly wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing between two separators, or nothing at all.
    #[error("read the selection {0:?}: a term is empty")]
    EmptyTerm(String),
    /// A term that is not of the language.
    #[error("read the selection {pattern:?}: {term:?} is not a name, a glob or key=value")]
    BadTerm {
        /// All of it.
        pattern: String,
        /// The part.
        term: String,
    },
    /// A glob that is not one.
    #[error("read the selection {pattern:?}: {term:?} is not a glob")]
    BadGlob {
        /// All of it.
        pattern: String,
        /// The part.
        term: String,
        /// Why.
        source: globset::Error,
    },
    /// A term that matches no host.
    #[error("find a host that {term:?} names")]
    NoMatch {
        /// The term.
        term: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// Every term matches, and all of them together leave no host.
    #[error("find a host that {0:?} leaves")]
    Nothing(String),
    /// No hosts are enrolled.
    #[error("select hosts: none is enrolled")]
    NoHosts,
}

impl Explain for SelectError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoMatch { nearest: Some(name), .. } => Some(format!("is it {name}?")),
            Self::NoMatch { nearest: None, .. } | Self::Nothing(_) => {
                Some("run: swarm list".to_owned())
            }
            Self::NoHosts => Some("run: swarm enroll".to_owned()),
            _ => Some(
                "terms are names (web-1), globs (web*), labels (role=web) and all, joined by \
                 ',' or ':' (or), ':&' (and), ':!' (not)"
                    .to_owned(),
            ),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
