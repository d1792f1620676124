//! `swarm why HOST`: what a host waits for, or why it is as it is.

use std::fmt::Write as _;

use clap::Args;
use control::fleet::{Fleet, HostAnswer, MetCertificates, Subject, Why, known, why};
use control::rollout::rollout_status;
use engine::describe_host;
use explain::{Exit, Failure, plain};
use protocol::{DEFAULT_APP, HostName, Phase};

use crate::cli::Context;
use crate::cli::runtime::block_on;
use crate::output::hanging;

/// The words of `swarm why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The host
    #[arg(value_name = "HOST")]
    pub host: HostName,
}

/// Asks the host. Exits with 1 if it could not be asked.
pub(super) fn run(arguments: &WhyArgs, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, output, now, .. } = context;
    let host = store.host(&arguments.host)?;
    let client = Fleet::open(home, store, context.timeouts)?.client(&host);
    let met = client.as_ref().ok().map(|client| MetCertificates::of_client(&host.name, client));
    let known = known(store, [&host.name])?.remove(&host.name).unwrap_or_default();
    let mut answers = block_on(why(&host.name, client, &known.expected, now()))?;
    met.map_or(Ok(()), |met| met.keep(store, &context.who, now()))?;
    if let Some(why) = in_its_rollout(context, &host.name)? {
        answers.insert(0, why);
    }
    if let Some(reason) = host.skip_reason() {
        let line = reason.to_string();
        let about = HostAnswer { skipped: Some(line.clone()), ..HostAnswer::default() };
        answers.insert(0, Why::of_host(&host.name, about, line));
    }
    if output.json() {
        output.document(&answers);
    } else {
        let text = |answer: &Why| {
            let app = answer.app().map(|app| format!(" {app}")).unwrap_or_default();
            let of = format!("{}{app}", answer.host);
            let mut text = text(&of, &answer.line, &answer.output, output.columns());
            if let Some(step) = next_step(answer) {
                let _infallible = writeln!(text, "  next: {step}");
            }
            text
        };
        output.data(&answers.iter().map(text).collect::<String>());
    }
    let asked = answers.iter().any(|answer| answer.app().is_some());
    Ok(if asked { Exit::Success } else { Exit::Failed })
}

/// What an operator types about a program that dies, or that was changed on its host.
fn next_step(answer: &Why) -> Option<String> {
    let Subject::App { status, .. } = &answer.about else { return None };
    let host = &answer.host;
    let app = match status.app.as_str() {
        DEFAULT_APP => String::new(),
        app => format!(" --app {app}"),
    };
    if status.state != Some(Phase::Idle) || status.is_stopped() {
        return None;
    }
    if !status.healthy && status.died.is_some() {
        let back = status.prev.map(|_| format!("; to go back: swarm rollback {host}{app}"));
        let back = back.unwrap_or_default();
        return Some(format!("what it printed: swarm logs {host}{app} --previous{back}"));
    }
    let desired = status.desired.filter(|_| status.drift && status.missed.is_none())?;
    let was_asked_here = status.last.as_ref().is_some_and(|last| last.code.is_some());
    let release = desired.short();
    (!was_asked_here)
        .then(|| format!("to bring it back: swarm update {host}{app} --release {release}"))
}

/// What a host waits for in the rollout that it is in, if it is in one.
fn in_its_rollout(context: &Context, host: &HostName) -> Result<Option<Why>, Failure> {
    let Context { store, now, .. } = context;
    let Some(id) = store.holder(host)? else { return Ok(None) };
    let stand = rollout_status(store, store.rollout(id)?, now())?;
    let waits_for = describe_host(&stand.state, host);
    let line = format!("in the rollout {id}: {}", waits_for.as_deref().unwrap_or_default());
    let about = HostAnswer { rollout: Some(id), waits_for, ..HostAnswer::default() };
    Ok(Some(Why::of_host(host, about, line)))
}

/// Below its first line an answer goes on so far to the right.
const BELOW: usize = 2;

/// What is said of a host or an app: on a screen a line for each part of it.
fn text(of: &str, line: &str, output: &[String], columns: Option<usize>) -> String {
    let line = format!("{of}: {}", plain(line));
    let mut text = match columns {
        None => format!("{line}\n"),
        Some(columns) => {
            let parts = line.split("; ").enumerate();
            let parts = parts.map(|(number, part)| match number {
                0 => format!("{}\n", hanging(part, columns, BELOW)),
                _ => format!("  {}\n", hanging(part, columns.saturating_sub(BELOW), BELOW)),
            });
            parts.collect()
        }
    };
    for line in output {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_few_lines_on_a_screen_and_one_in_a_pipe() {
        let line = "idle, waits for nothing; runs 1.7.0 (9f86d081), and should run 1.8.0 (60303ae2): \
                    missed in 3f9a61c2, rolled_back; last update, 2 min ago: rolled_back: the agent \
                    exited with status 3";
        let output = ["Traceback:".to_owned(), "\u{1b}[31mboom".to_owned()];
        let text = |columns| text("web-1 agent", line, &output, columns);
        for columns in [40, 80, 120, 220] {
            insta::assert_snapshot!(format!("why_{columns}"), text(Some(columns)));
        }
        assert_eq!(text(None).lines().count(), 3);
    }
}
