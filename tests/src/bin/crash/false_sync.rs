//! A disk that says that it has written, and has not: what a missing sync comes to.

use clap::ValueEnum;
use fleet_tests::faults::{Call, Effect};

/// Which syncs are said to have been carried out, and were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FalseSync {
    /// Those of files.
    Files,
    /// Those of directories.
    Directories,
    /// Those of whole file systems.
    FileSystems,
}

impl FalseSync {
    /// Whether a call is one of them. All of the updater's files have a dot in their names, and none
    /// of its directories.
    pub(crate) fn is_about(self, call: &Call) -> bool {
        let name = call.path.file_name().unwrap_or_default().to_string_lossy();
        let found = match call.name {
            "syncfs" => Self::FileSystems,
            _ if name.contains('.') => Self::Files,
            _ => Self::Directories,
        };
        call.act == Effect::Sync && found == self
    }
}
