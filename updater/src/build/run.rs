//! Carrying a plan out: one command after the other, under one deadline and one bound of output.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::{Bytes, Period, Space};

use super::confine::confinement;
use super::environment::{environment, how_to_get};
use super::plan::BuildPlan;
use super::workspace::Workspace;
use crate::config::AppConfig;
use crate::sys::bounds::{Bound, CommandBounds, StopCheck};
use crate::sys::job::RunError;
use crate::sys::output::TAIL_LINES;
use crate::sys::run::{describe, run_bounded};
use crate::sys::spawn::Spawn;
use crate::sys::user::{User, UserError};
use crate::sys::{Limits, SpawnError};
use crate::systemd::CommandUnits;

/// A build that went well.
#[derive(Debug)]
pub struct BuildReport {
    /// How long it took.
    pub duration: Duration,
    /// The last lines of its output, each command before its own.
    pub tail: Vec<String>,
}

/// Why a release could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directories around it could not be made.
    #[error("make the directories of the build")]
    Workspace(#[source] io::Error),
    /// The updater's own user could not be looked up.
    #[error("find the user of the build")]
    User(#[source] UserError),
    /// The host lacks a tool.
    #[error("find {tool} in {path}: {hint}", hint = how_to_get(tool))]
    NoTool {
        tool: String,
        /// Where it was looked for.
        path: String,
        /// What the commands before it said.
        tail: Vec<String>,
    },
    /// A command ended, and not well.
    #[error("build the release: `{command}` {how}")]
    Failed {
        command: String,
        how: String,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// The build took too long, and was ended.
    #[error("build the release within {timeout}: `{command}` was ended")]
    TimedOut {
        /// The command that ran then.
        command: String,
        timeout: Period,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// The build wrote too much, and was ended.
    #[error("build the release within {limit} of output: `{command}` was ended")]
    TooMuchOutput {
        /// The command that ran then.
        command: String,
        limit: Bytes,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// The build left no room on the disk, and was ended.
    #[error("build the release and leave room on the disk: `{command}` was ended")]
    NoRoom {
        /// The command that ran then.
        command: String,
        /// What must stay free.
        needed: Space,
        free: Space,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// The user has as many processes as it may have, before the build has any.
    #[error(
        "run `{command}`: the user {user} has {limit} processes and threads already, or more; \
         raise build_processes"
    )]
    TooManyProcesses {
        command: String,
        /// The user of the build.
        user: String,
        limit: u64,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// The caller asked for the build to be ended.
    #[error("build the release: `{command}` was ended, as was asked for")]
    Stopped {
        /// The command that ran then.
        command: String,
        /// The last lines of the output.
        tail: Vec<String>,
    },
    /// A command could not be started, or not followed to its end.
    #[error("run `{command}`")]
    Run {
        command: String,
        source: RunError,
        /// The last lines of the output.
        tail: Vec<String>,
    },
}

impl BuildError {
    /// The last lines of the build's output.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Workspace(_) | Self::User(_) => &[],
            Self::NoTool { tail, .. }
            | Self::Failed { tail, .. }
            | Self::TimedOut { tail, .. }
            | Self::TooMuchOutput { tail, .. }
            | Self::NoRoom { tail, .. }
            | Self::TooManyProcesses { tail, .. }
            | Self::Stopped { tail, .. }
            | Self::Run { tail, .. } => tail,
        }
    }
}

/// What holds while a build goes on.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// What stays free on the disks of the release and of the home.
    pub reserve: Space,
    /// Ends it before its time.
    pub until: StopCheck<'a>,
    /// Where systemd runs: each command is a unit of its own.
    pub units: Option<&'a CommandUnits>,
}

/// Builds a release in its directory, which `user` owns meanwhile. `directory` is where the home
/// and the temporary directory of the app's builds are made; every directory above it must let
/// `user` pass.
///
/// Blocks; for a plain thread. When this returns, nothing that the build started is alive.
pub fn run_build(
    plan: &BuildPlan,
    config: &AppConfig,
    release: &Path,
    user: Option<&User>,
    directory: &Path,
    conditions: Conditions<'_>,
) -> Result<BuildReport, BuildError> {
    let begin = Instant::now();
    let owner = user.map(|user| (user.uid, user.gid));
    let workspace = Workspace::prepare(directory, owner).map_err(BuildError::Workspace)?;
    let user = match user {
        Some(user) => user.clone(),
        None => User::current().map_err(BuildError::User)?,
    };
    let mut build = Build {
        plan,
        config,
        release,
        user,
        workspace,
        conditions,
        begin,
        output_left: config.build_output.0,
        tail: VecDeque::new(),
    };
    for command in &plan.commands {
        build.run(command)?;
    }
    Ok(BuildReport { duration: begin.elapsed(), tail: build.tail.into() })
}

struct Build<'a> {
    plan: &'a BuildPlan,
    config: &'a AppConfig,
    release: &'a Path,
    user: User,
    workspace: Workspace,
    conditions: Conditions<'a>,
    begin: Instant,
    output_left: u64,
    tail: VecDeque<String>,
}

impl Build<'_> {
    fn run(&mut self, command: &[String]) -> Result<(), BuildError> {
        let shown = shown(command);
        keep(&mut self.tail, format!("$ {shown}"));
        let places = [self.release, &self.workspace.home];
        let bounds = CommandBounds {
            timeout: self.plan.timeout.saturating_sub(self.begin.elapsed()),
            output_bytes: self.output_left,
            room: Some((&places, self.conditions.reserve)),
            until: Some(self.conditions.until),
        };
        let tail = &mut self.tail;
        let spawned = Self::spawn(self.config, self.release, &self.user, &self.workspace, command);
        let ran = spawned.map_err(RunError::Start).and_then(|spawn| match self.conditions.units {
            None => run_bounded(spawn, bounds, |line| keep(tail, line.to_owned())),
            Some(units) => {
                let writable = [self.release, &self.workspace.home, &self.workspace.temporary];
                let memory = self.config.build_memory.map(|bytes| bytes.0);
                let confinement = confinement(&writable, memory);
                units.run(&spawn, confinement, bounds, |line| keep(tail, line.to_owned()))
            }
        });
        let tail = Vec::from(self.tail.clone());
        match ran {
            Ok(finished) if finished.status.success() => {
                self.output_left = self.output_left.saturating_sub(finished.output_bytes);
                Ok(())
            }
            Ok(finished) => {
                Err(BuildError::Failed { command: shown, how: describe(finished.status), tail })
            }
            Err(RunError::Start(SpawnError::NotInPath { program, path })) => {
                Err(BuildError::NoTool { tool: program, path, tail })
            }
            Err(RunError::Start(SpawnError::Start { source, user, .. }))
                if source.kind() == io::ErrorKind::WouldBlock =>
            {
                let limit = self.config.build_processes;
                Err(BuildError::TooManyProcesses { command: shown, user, limit, tail })
            }
            Err(RunError::Ended { bound, .. }) => Err(match bound {
                Bound::Time(_) => {
                    let timeout = Period(self.plan.timeout);
                    BuildError::TimedOut { command: shown, timeout, tail }
                }
                Bound::Output(_) => {
                    let limit = self.config.build_output;
                    BuildError::TooMuchOutput { command: shown, limit, tail }
                }
                Bound::Room { needed, free } => {
                    BuildError::NoRoom { command: shown, needed, free, tail }
                }
                Bound::StopRequested => BuildError::Stopped { command: shown, tail },
            }),
            Err(source) => Err(BuildError::Run { command: shown, source, tail }),
        }
    }

    fn spawn(
        config: &AppConfig,
        release: &Path,
        user: &User,
        workspace: &Workspace,
        command: &[String],
    ) -> Result<Spawn, SpawnError> {
        let given = environment(&workspace.home, &workspace.temporary, &config.build_env);
        let mut spawn = Spawn::new(command, release, user.clone(), &given)?;
        spawn.limits = Limits {
            address_space: config.build_memory.map(|bytes| bytes.0),
            processes: Some(config.build_processes),
            open_files: Some(config.build_open_files),
            file_bytes: Some(config.build_file_size.0),
        };
        spawn.no_new_privileges = true;
        spawn.no_network = !config.build_network;
        Ok(spawn)
    }
}

fn keep(tail: &mut VecDeque<String>, line: String) {
    if tail.len() == TAIL_LINES {
        tail.pop_front();
    }
    tail.push_back(line);
}

/// A command as one line; a word that would end a line, or is long, is cut.
fn shown(command: &[String]) -> String {
    let word = |word: &String| -> String {
        let plain: String = word.chars().take_while(|c| !c.is_control()).take(60).collect();
        if plain == *word { plain } else { plain + "…" }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
