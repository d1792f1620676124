//! `updater stop`, `start`, `restart`: through the daemon, or by itself if the daemon is dead.

use std::sync::Arc;

use http::Method;
use protocol::{AgentState, OperatedAgent, OperatorName};

use crate::cli::alone::recover;
use crate::cli::args::AgentArgs;
use crate::cli::client::{ClientError, ask_again};
use crate::cli::errors::CliError;
use crate::cli::operator::operator;
use crate::cli::system::{pretty, print, runtime};
use crate::config::Config;
use crate::environment::Environment;
use crate::runner::RunnerResources;
use crate::systemd::BusConnection;
use crate::transaction::{App, Events, Operation};

pub(super) fn operate(
    operation: Operation,
    asked: &AgentArgs,
    environment: &Environment,
    systemd: BusConnection,
) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let runtime = runtime()?;
    let by = operator(environment);
    let path = format!("/agent/{}?app={}", operation.into_str(), asked.app);
    let operated: OperatedAgent = runtime.block_on(async {
        match ask_again(&config.state_dir, Method::POST, &path, by.as_ref()).await {
            Err(ClientError::NotRunning(_)) => alone(&config, operation, asked, by, systemd),
            answered => Ok(answered?),
        }
    })?;
    let text = if asked.json {
        pretty(&operated)?
    } else {
        words(operation, asked.app.as_str(), &operated)
    };
    let text = text + "\n";
    print(&text)?;
    Ok(true)
}

/// How the agent is now, and what had to be killed.
fn words(operation: Operation, app: &str, operated: &OperatedAgent) -> String {
    let health = &operated.health;
    let is = match (health.pid, &health.agent) {
        (Some(pid), _) => format!("{app} runs as process {pid}"),
        (None, AgentState::NoProcess) => {
            format!("{app} has no process: there is nothing to {operation}")
        }
        (None, agent) => {
            format!("{app} is {agent}, and stays so until `updater start` or the next update")
        }
    };
    std::iter::once(&is).chain(&operated.notes).map(String::as_str).collect::<Vec<_>>().join("; ")
}

/// The daemon is dead: this process does it, and the next daemon finds what it did.
fn alone(
    config: &Config,
    operation: Operation,
    asked: &AgentArgs,
    by: Option<OperatorName>,
    systemd: BusConnection,
) -> Result<OperatedAgent, CliError> {
    let resources = RunnerResources { systemd, ..RunnerResources::default() };
    let events = Events::new(sys::wall_clock());
    let handle = tokio::runtime::Handle::current();
    let app = Arc::new(App::new(asked.app.clone(), config, events, &resources, handle)?);
    recover(&app)?;
    let killed = app.operate(operation, by).map_err(ClientError::from)?;
    Ok(OperatedAgent::new(app.health(), killed.as_ref().map(ToString::to_string)))
}
