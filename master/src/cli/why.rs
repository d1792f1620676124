//! `swarm why HOST`: what a host waits for, or why it is as it is.

use std::fmt::Write as _;

use clap::Args;
use control::fleet::{Fleet, MetCertificates, Why, known, why};
use control::rollout::rollout_status;
use engine::describe_host;
use explain::{Exit, Failure, plain};
use protocol::HostName;

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
    if let Some(line) = in_its_rollout(context, &host.name)? {
        let why = Why { host: host.name.clone(), app: None, line, output: Vec::new() };
        answers.insert(0, why);
    }
    if let Some(reason) = host.skip_reason() {
        let line = reason.to_string();
        answers.insert(0, Why { host: host.name.clone(), app: None, line, output: Vec::new() });
    }
    if output.json() {
        output.document(&answers);
    } else {
        let text = |answer| text(answer, output.columns());
        output.data(&answers.iter().map(text).collect::<String>());
    }
    let asked = answers.iter().any(|answer| answer.app.is_some());
    Ok(if asked { Exit::Success } else { Exit::Failed })
}

/// What a host waits for in the rollout that it is in, if it is in one.
fn in_its_rollout(context: &Context, host: &HostName) -> Result<Option<String>, Failure> {
    let Context { store, now, .. } = context;
    let Some(id) = store.holder(host)? else { return Ok(None) };
    let stand = rollout_status(store, store.rollout(id)?, now())?;
    let line = describe_host(&stand.state, host).unwrap_or_default();
    Ok(Some(format!("in the rollout {id}: {line}")))
}

/// Below its first line an answer goes on so far to the right.
const BELOW: usize = 2;

/// What is said of a host or an app: on a screen a line for each part of it.
fn text(answer: &Why, columns: Option<usize>) -> String {
    let app = answer.app.as_ref().map(|app| format!(" {app}")).unwrap_or_default();
    let line = format!("{}{app}: {}", answer.host, plain(&answer.line));
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
    for line in &answer.output {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_few_lines_on_a_screen_and_one_in_a_pipe() {
        let answer = Why {
            host: "web-1".parse().unwrap(),
            app: Some("agent".parse().unwrap()),
            line:
                "idle, waits for nothing; runs 1.7.0 (9f86d081), and should run 1.8.0 (60303ae2): \
                   missed in 3f9a61c2, rolled_back; last update, 2 min ago: rolled_back: the agent \
                   exited with status 3"
                    .to_owned(),
            output: vec!["Traceback:".to_owned(), "\u{1b}[31mboom".to_owned()],
        };
        for columns in [40, 80, 120, 220] {
            insta::assert_snapshot!(format!("why_{columns}"), text(&answer, Some(columns)));
        }
        assert_eq!(text(&answer, None).lines().count(), 3);
    }
}
