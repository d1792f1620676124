//! Running one command of a release.

use std::collections::BTreeMap;
use std::time::Duration;

use common::chain;
use protocol::TransactionId;

use crate::config::AppConfig;
use crate::runner::Launch;
use crate::sys::bounds::{Bound, CommandBounds};
use crate::sys::job::RunError;
use crate::sys::recorded_output::RecordedOutput;
use crate::sys::run::{describe, run_bounded};
use crate::sys::spawn::Spawn;
use crate::sys::user::{User, UserError};
use crate::sys::{Limits, SpawnError};
use crate::systemd::{CommandUnits, Confinement};

/// What a command has around it.
#[derive(Debug)]
pub struct CommandContext<'a> {
    pub config: &'a AppConfig,
    /// The app's user; absent for the updater's own.
    pub user: Option<&'a User>,
    /// The release that it belongs to. Its own command is not used.
    pub release: Launch,
    /// The release on the other side of the switch: the one that is older here.
    pub previous: Option<Launch>,
    pub transaction: &'a TransactionId,
    /// Where systemd runs: the command is a unit of its own.
    pub units: Option<&'a CommandUnits>,
    /// Where the backup lies, if one was made.
    pub backup: Option<&'a str>,
}

/// Why a command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It ended, and not well; or could not be started by its own fault, or took too much.
    #[error("{0}")]
    Failed(String),
    /// The host could not run it.
    #[error("run the command")]
    Host(#[source] RunError),
    /// The updater's own user could not be looked up.
    #[error(transparent)]
    User(#[from] UserError),
}

/// Runs a command in its release. What it prints goes to `output`.
///
/// Blocks; for a plain thread. When this returns, nothing that the command started is alive.
pub fn run(
    command: &[String],
    timeout: Duration,
    surroundings: &CommandContext<'_>,
    output: &mut RecordedOutput,
) -> Result<(), CommandError> {
    let config = surroundings.config;
    let user = match surroundings.user {
        Some(user) => user.clone(),
        None => User::current()?,
    };
    let release = &surroundings.release.release_path;
    let ran = Spawn::new(command, release, user, &surroundings.variables())
        .map_err(RunError::from)
        .and_then(|mut spawn| {
            spawn.limits = Limits {
                address_space: None,
                processes: Some(config.build_processes),
                open_files: Some(config.build_open_files),
                file_bytes: Some(config.build_file_size.0),
            };
            spawn.no_new_privileges = true;
            let output_bytes = config.build_output.0;
            let bounds = CommandBounds { timeout, output_bytes, room: None, until: None };
            let on_line = |line: &str| output.push(line);
            match surroundings.units {
                Some(units) => units.run(&spawn, confinement(config), bounds, on_line),
                None => run_bounded(spawn, bounds, on_line),
            }
        });
    match ran {
        Ok(finished) if finished.status.success() => Ok(()),
        Ok(finished) => Err(CommandError::Failed(describe(finished.status))),
        Err(error) => Err(judge(error)),
    }
}

/// It brings data to another form, wherever an administrator keeps that; what it may write to, its
/// user's rights say. The system itself is nothing of that.
fn confinement(config: &AppConfig) -> Confinement {
    let memory = config.build_memory.map(|bytes| bytes.0);
    Confinement { memory, more: vec![("ProtectSystem", "full".into())] }
}

/// A program that is not there, and one that takes too much, is the release's own fault.
fn judge(error: RunError) -> CommandError {
    let of_the_release = match &error {
        RunError::Start(error) => {
            error.is_of_the_program() || matches!(error, SpawnError::NotInPath { .. })
        }
        RunError::Ended { bound: Bound::Time(_) | Bound::Output(_), .. } => true,
        _ => false,
    };
    if of_the_release {
        return CommandError::Failed(format!("failed to {}", chain(&error)));
    }
    CommandError::Host(error)
}

impl CommandContext<'_> {
    /// What its agent gets, and what it cannot know otherwise.
    fn variables(&self) -> BTreeMap<String, String> {
        let previous = self.previous.as_ref();
        let path = previous.map(|previous| previous.release_path.display().to_string());
        let digest = previous.map(|previous| previous.digest.to_string());
        let version = previous.and_then(|previous| previous.version.clone());
        let mut variables = self.release.variables();
        variables.extend([
            ("RELEASE_PREVIOUS_PATH".to_owned(), path.unwrap_or_default()),
            ("RELEASE_PREVIOUS_DIGEST".to_owned(), digest.unwrap_or_default()),
            ("RELEASE_PREVIOUS_VERSION".to_owned(), version.unwrap_or_default()),
            ("RELEASE_TRANSACTION".to_owned(), self.transaction.to_string()),
            ("RELEASE_BACKUP".to_owned(), self.backup.unwrap_or_default().to_owned()),
        ]);
        variables
    }
}
