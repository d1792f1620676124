//! What can be wrong with a selection.

use std::io;
use std::path::PathBuf;

use explain::{Exit, Explain, FailureCode};
use protocol::{HostName, NameError};

use crate::select::position::Position;

/// Why a selection names no hosts. Nothing is ever addressed by a selection that is partly wrong.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Nothing between two separators, or nothing at all.
    #[error("read the selection {0:?}: a term is empty")]
    EmptyTerm(String),
    /// An `@` without a file's name.
    #[error("read the selection {0:?}: the name of a file must follow the @")]
    NoFile(String),
    /// A term that is not of the language.
    #[error("read the selection {pattern:?}: {term:?} is not a name, a glob or key=value")]
    BadTerm { pattern: String, term: String },
    /// A glob that is not one.
    #[error("read the selection {pattern:?}: {term:?} is not a glob")]
    BadGlob { pattern: String, term: String, source: globset::Error },
    /// A regular expression that is not one.
    #[error("read the selection {pattern:?}: {term:?} is not a regular expression")]
    BadRegex { pattern: String, term: String, source: RegexFault },
    /// A term that matches no host.
    #[error("find a host that {term:?} names")]
    NoMatch {
        term: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// A term that asks for a place that is not there.
    #[error("find a host that {term:?} names: without the brackets, {there} {} named", are(*.there))]
    NoPosition {
        term: String,
        /// How many hosts it matches without its position.
        there: usize,
    },
    /// Every term matches, and all of them together leave no host.
    #[error("find a host that {0:?} leaves")]
    Nothing(String),
    /// No hosts are enrolled.
    #[error("select hosts: none is enrolled")]
    NoHosts,
    /// A file of hosts can't be read.
    #[error("read the hosts in {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A line of it is no name.
    #[error("read {}, line {line}", .path.display())]
    FileLine {
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        source: NameError,
    },
    #[error("find a host in {}: it names none", .0.display())]
    EmptyFile(PathBuf),
    /// It names a host that is not enrolled.
    #[error("find the host {:?} ({}, line {line})", .name.as_str(), .path.display())]
    FileHost {
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        name: HostName,
        /// The nearest that there is.
        nearest: Option<String>,
    },
}

/// What is wrong with a regular expression.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RegexFault(String);

impl From<regex::Error> for RegexFault {
    /// The last line: those before it draw an arrow to the place.
    fn from(error: regex::Error) -> Self {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        Self(last.trim_start_matches("error: ").to_owned())
    }
}

const fn are(count: usize) -> &'static str {
    if count == 1 { "host is" } else { "hosts are" }
}

impl Explain for SelectError {
    fn code(&self) -> FailureCode {
        match self {
            Self::NoMatch { .. } | Self::NoPosition { .. } | Self::FileHost { .. } => {
                FailureCode::UnknownHost
            }
            Self::NoHosts | Self::Nothing(_) => FailureCode::NoHosts,
            _ => FailureCode::BadSelection,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoMatch { nearest: Some(name), .. }
            | Self::FileHost { nearest: Some(name), .. } => Some(format!("is it {name}?")),
            Self::NoMatch { term, .. } if Position::split(term).1.is_some() => Some(
                "a number in brackets at the end counts hosts from 0, as in 'role=web[0]'; to \
                 choose between some, name them: web-1,web-3"
                    .to_owned(),
            ),
            Self::NoMatch { .. } | Self::FileHost { .. } | Self::Nothing(_) => {
                Some("run: swarm list".to_owned())
            }
            Self::NoPosition { .. } => {
                Some("hosts are counted by name from 0; [-1] is the last one".to_owned())
            }
            Self::NoHosts => Some("run: swarm enroll".to_owned()),
            Self::File { .. } | Self::NoFile(_) | Self::EmptyFile(_) | Self::FileLine { .. } => {
                Some("a file has the name of one host a line; # begins a comment".to_owned())
            }
            Self::EmptyTerm(_) | Self::BadTerm { .. } | Self::BadGlob { .. } => Some(
                "terms are names (web-1), globs (web*), labels (role=web), regular expressions \
                 (~web-\\d+), files (@hosts.txt) and all, joined by ',' or ':' (or), ':&' (and), \
                 ':!' (not)"
                    .to_owned(),
            ),
            Self::BadRegex { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
