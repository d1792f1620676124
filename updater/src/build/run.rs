//! Carrying a plan out: one command after the other, under one deadline and one bound of output.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::{Period, Space};

use super::confine::confinement;
use super::environment::{Surroundings, environment};
use super::error::BuildError;
use super::facts::ReleaseFacts;
use super::plan::{BuildPlan, Tool, WantedVersion, version_in};
use super::workspace::Workspace;
use crate::config::AppConfig;
use crate::sys::bounds::{Bound, CommandBounds, StopCheck};
use crate::sys::job::RunError;
use crate::sys::program::{STANDARD_PATH, resolve};
use crate::sys::recorded_output::RecordedOutput;
use crate::sys::run::{describe, run_bounded};
use crate::sys::spawn::Spawn;
use crate::sys::user::User;
use crate::sys::{Limits, SpawnError};
use crate::systemd::CommandUnits;

/// A build that went well.
#[derive(Debug)]
pub struct BuildReport {
    /// How long it took.
    pub duration: Duration,
    /// What is shown of its output, each command before its own.
    pub tail: Vec<String>,
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
    /// What is known of the release.
    pub facts: &'a ReleaseFacts,
    /// The file that all of its output goes into.
    pub log: &'a Path,
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
    let around = Surroundings {
        home: &workspace.home,
        temporary: &workspace.temporary,
        facts: conditions.facts,
        network: config.build_network,
        cores: cores(),
        configured: &config.build_env,
    };
    let mut build = Build {
        environment: environment(plan, around),
        plan,
        config,
        release,
        user,
        workspace,
        conditions,
        begin,
        output_left: config.build_output.0,
        output: RecordedOutput::in_file(conditions.log),
    };
    let done = build.all();
    build.output.flush();
    done.map(|()| BuildReport { duration: begin.elapsed(), tail: build.output.shown() })
}

/// How many things this process may do at once, by its processors and its control group.
fn cores() -> u32 {
    let cores = std::thread::available_parallelism();
    cores.map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
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
    output: RecordedOutput,
    /// Of each of its commands, over the standard one.
    environment: BTreeMap<String, String>,
}

impl Build<'_> {
    /// The whole build; nothing is begun where the host lacks something.
    fn all(&mut self) -> Result<(), BuildError> {
        for tool in &self.plan.tools {
            self.look_for(tool)?;
        }
        for wanted in &self.plan.versions {
            self.ask_version(wanted)?;
        }
        for command in &self.plan.commands {
            self.run(command)?;
        }
        let has_program = |words: &&Vec<String>| {
            words.first().is_some_and(|word| self.release.join(word).exists())
        };
        match self.plan.compile.as_ref().filter(has_program) {
            Some(command) => self.run(command),
            None => Ok(()),
        }
    }

    fn look_for(&self, tool: &Tool) -> Result<(), BuildError> {
        let path = self.environment.get("PATH").map_or(STANDARD_PATH, String::as_str);
        match resolve(&tool.program, self.release, path) {
            Err(SpawnError::NotInPath { program, path }) => {
                let (lock, tail) = (tool.lock.clone(), self.output.shown());
                Err(BuildError::NoTool { tool: program, path, lock, tail })
            }
            // What else is wrong with it, its start will tell.
            _ => Ok(()),
        }
    }

    /// Refuses a version of a tool that the release does not take. A tool that does not tell its version
    /// is left to the build.
    fn ask_version(&mut self, wanted: &WantedVersion) -> Result<(), BuildError> {
        let command = [wanted.program, "--version"].map(str::to_owned);
        let mut said = String::new();
        let asked = self.command(&command, |line, _| {
            said.push_str(line);
            said.push('\n');
        });
        let Some(found) = version_in(&said).filter(|_| asked.is_ok()) else { return Ok(()) };
        if wanted.range.takes(&found) {
            return Ok(());
        }
        Err(BuildError::WrongVersion {
            program: wanted.program,
            found: found.to_string(),
            wanted: wanted.range.to_string(),
            said: wanted.said,
            tail: self.output.shown(),
        })
    }

    fn run(&mut self, command: &[String]) -> Result<(), BuildError> {
        self.output.push(&format!("$ {}", shown(command)));
        self.command(command, |line, output| output.push(line))
    }

    /// Runs a command to its end; `on_line` gets each line that it prints, and the output of the build.
    fn command(
        &mut self,
        command: &[String],
        mut on_line: impl FnMut(&str, &mut RecordedOutput),
    ) -> Result<(), BuildError> {
        let shown = shown(command);
        let places = [self.release, &self.workspace.home];
        let bounds = CommandBounds {
            timeout: self.plan.timeout.saturating_sub(self.begin.elapsed()),
            output_bytes: self.output_left,
            room: Some((&places, self.conditions.reserve)),
            until: Some(self.conditions.until),
        };
        let spawned = self.spawn(command);
        let output = &mut self.output;
        let on_line = |line: &str| on_line(line, output);
        let ran = spawned.map_err(RunError::Start).and_then(|spawn| match self.conditions.units {
            None => run_bounded(spawn, bounds, on_line),
            Some(units) => {
                let workspace = &self.workspace;
                let (home, temporary) = (&workspace.home, &workspace.temporary);
                let writable = [self.release, home, temporary, &workspace.caches];
                let memory = self.config.build_memory.map(|bytes| bytes.0);
                units.run(&spawn, confinement(&writable, memory), bounds, on_line)
            }
        });
        let tail = self.output.shown();
        match ran {
            Ok(finished) if finished.status.success() => {
                self.output_left = self.output_left.saturating_sub(finished.output_bytes);
                Ok(())
            }
            Ok(finished) => {
                Err(BuildError::Failed { command: shown, how: describe(finished.status), tail })
            }
            Err(RunError::Start(SpawnError::NotInPath { program, path })) => {
                Err(BuildError::NoTool { tool: program, path, lock: None, tail })
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

    fn spawn(&self, command: &[String]) -> Result<Spawn, SpawnError> {
        let config = self.config;
        let mut spawn = Spawn::new(command, self.release, self.user.clone(), &self.environment)?;
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

/// A command as one line; a word that would end a line, or is long, is cut.
fn shown(command: &[String]) -> String {
    let word = |word: &String| -> String {
        let plain: String = word.chars().take_while(|c| !c.is_control()).take(60).collect();
        if plain == *word { plain } else { plain + "…" }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}
