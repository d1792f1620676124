//! Asking by a command, and asking nothing but whether the process lives.

use std::collections::BTreeMap;

use common::failed_to;
use protocol::Proof;

use super::answer::Shown;
use super::{Answer, Expectation};
use crate::config::AppConfig;
use crate::runner::{Behaviour, Launch};
use crate::sys::Limits;
use crate::sys::bounds::CommandBounds;
use crate::sys::job::RunError;
use crate::sys::proc;
use crate::sys::run::{describe, run_bounded};
use crate::sys::spawn::Spawn;
use crate::sys::user::{User, UserError};

/// Bytes of a probe's output that are read before it is ended.
const OUTPUT_BYTES: u64 = 1 << 20;

/// What a command runs with besides its words.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    user: Option<String>,
    environment: BTreeMap<String, String>,
    /// As of a build, but for the processes: so many more than the machine has. The agent is the same
    /// user's, and one that has many must not make its probe fail.
    limits: Limits,
    timeout: std::time::Duration,
}

#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Setting {
    pub(super) fn read(app: &AppConfig) -> Self {
        Self {
            user: app.user.clone(),
            environment: app.run.env.clone(),
            limits: Limits {
                address_space: None,
                processes: Some(app.build_processes),
                open_files: Some(app.build_open_files),
                file_bytes: Some(app.build_file_size.0),
            },
            timeout: app.health.timeout.0,
        }
    }
}

/// Runs the command in the release. It proves its release if the agent is the same before and
/// after.
pub(super) async fn ask(command: &[String], setting: &Setting, expected: &Expectation) -> Answer {
    let launch = Launch {
        release_path: expected.path.clone(),
        digest: expected.digest,
        version: expected.version.clone(),
        command: command.to_vec(),
        environment: setting.environment.clone(),
        behaviour: Behaviour::default(),
    };
    let setting = setting.clone();
    let before = alive(expected);
    let ran = tokio::task::spawn_blocking(move || run(&launch, &setting)).await;
    let Ok(ran) = ran else {
        return Answer::failure("the probe's command was given up".to_owned());
    };
    let (outcome, output) = match ran {
        Ok(finished) if finished.status.success() => {
            (Ok("the probe's command exited with status 0".to_owned()), finished.output.shown())
        }
        Ok(finished) => {
            let last = finished.output.last_line();
            let last = last.map(|line| format!(": {line}")).unwrap_or_default();
            let how = format!("the probe's command {}{last}", describe(finished.status));
            (Err(how), finished.output.shown())
        }
        Err(error) => {
            let output = match &error {
                CommandError::Run(error) => error.output().to_vec(),
                CommandError::User(_) => Vec::new(),
            };
            (Err(format!("the probe's command {}", failed_to(&error))), output)
        }
    };
    let mut answer = match outcome {
        Ok(detail) => Answer::healthy(detail, before.and(alive(expected))),
        Err(detail) => Answer::failure(detail),
    };
    answer.body = Some(output.join("\n")).filter(|text| !text.is_empty());
    answer
}

/// Whether the agent's process is the one that was started, and lives.
pub(super) fn ask_process(expected: &Expectation) -> Answer {
    let Some(instance) = &expected.instance else {
        let detail = "it has no process, and its files are whole".to_owned();
        return Answer::healthy(detail, Ok(Shown::WithoutProcess));
    };
    let detail = format!("the agent runs as process {}", instance.process().pid);
    match alive(expected) {
        Ok(shown) => Answer::healthy(detail, Ok(shown)),
        Err(why) => Answer::failure(why),
    }
}

fn run(launch: &Launch, setting: &Setting) -> Result<sys::run::Finished, CommandError> {
    let user = match &setting.user {
        Some(name) => User::by_name(name)?,
        None => User::current()?,
    };
    let mut spawn = Spawn::new(&launch.command, &launch.release_path, user, &launch.variables())
        .map_err(RunError::from)?;
    let more = setting.limits.processes.unwrap_or_default();
    let processes = proc::tasks().map(|all| all.saturating_add(more));
    spawn.limits = Limits { processes, ..setting.limits };
    spawn.no_new_privileges = true;
    let bounds = CommandBounds {
        timeout: setting.timeout,
        output_bytes: OUTPUT_BYTES,
        room: None,
        until: None,
    };
    Ok(run_bounded(spawn, bounds, |_| {})?)
}

fn alive(expected: &Expectation) -> Result<Shown, String> {
    match &expected.instance {
        None => Ok(Shown::WithoutProcess),
        Some(instance) if instance.is_alive() => Ok(Shown::By(Proof::Process)),
        Some(_) => Err("the agent's process is gone".to_owned()),
    }
}
