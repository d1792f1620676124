//! `updater drill`: through the daemon, or by itself if the daemon is dead.

use std::fs;
use std::io::Write as _;

use common::document_line;
use protocol::{CallerKind, DrillLine, DrillReport};

use crate::cli::alone::AloneError;
use crate::cli::args::{AgentArgs, DrillActArgs};
use crate::cli::client::{ClientError, follow};
use crate::cli::errors::CliError;
use crate::cli::system::{failed_at, print, runtime};
use crate::config::Config;
use crate::drill::{Drill, keep_last};
use crate::systemd::BusConnection;
use crate::transaction::{AppFiles, Journal};

/// What fails where the output does.
const SHOWING: &str = "write the output";

pub(super) fn drill(asked: &AgentArgs, systemd: &BusConnection) -> Result<bool, CliError> {
    let file = fs::canonicalize(&asked.common.config);
    let file = file.map_err(failed_at("find the configuration"))?;
    let config = Config::load(&file)?;
    let runtime = runtime()?;
    let path = format!("/drill?app={}", asked.app);
    let mut report = None;
    let mut hear = |line: DrillLine| -> std::io::Result<()> {
        let text = if asked.json { document_line(&line, &|_| None)? + "\n" } else { render(&line) };
        if let DrillLine::Result(ended) = line {
            report = Some(ended);
        }
        std::io::stdout().write_all(text.as_bytes())
    };
    match runtime.block_on(follow(&config.state_dir, &path, &mut hear)) {
        Err(ClientError::NotRunning(_)) => {
            let ended = alone(&config, &file, asked, systemd, runtime.handle(), &mut hear)?;
            hear(DrillLine::Result(Box::new(ended))).map_err(failed_at(SHOWING))?;
        }
        followed => followed?,
    }
    let report = report.ok_or(AloneError::NoEnd("drill"))?;
    Ok(report.passed())
}

/// The daemon is dead. What it left unfinished is its own to finish, and comes first.
fn alone(
    config: &Config,
    file: &std::path::Path,
    asked: &AgentArgs,
    systemd: &BusConnection,
    handle: &tokio::runtime::Handle,
    hear: &mut impl FnMut(DrillLine) -> std::io::Result<()>,
) -> Result<DrillReport, CliError> {
    for app in config.apps.keys() {
        if Journal::read(&AppFiles::new(&config.state_dir, app).journal())?.is_some() {
            let error = AloneError::Unfinished(app.clone());
            return Err(CliError::hint(error, "start the updater, which finishes it"));
        }
    }
    let drill = Drill::new(config, file, &asked.app, CallerKind::Local, systemd, handle.clone())
        .map_err(ClientError::from)?;
    let mut told = Ok(());
    let report = drill.run(|step| {
        let now = hear(DrillLine::Step(step.clone()));
        told = std::mem::replace(&mut told, Ok(())).and(now);
    });
    told.map_err(failed_at(SHOWING))?;
    keep_last(&config.state_dir, &report)?;
    Ok(report)
}

/// What a drill lets this process do.
pub(super) fn act(asked: &DrillActArgs, systemd: &BusConnection) -> Result<bool, CliError> {
    let config = Config::load(&asked.common.config)?;
    let runtime = runtime()?;
    let entered = runtime.enter();
    let acted = crate::drill::carry_out(&config, &asked.app, &asked.act, systemd)?;
    drop(entered);
    print(&(serde_json::to_string(&acted)? + "\n"))?;
    Ok(true)
}

fn render(line: &DrillLine) -> String {
    match line {
        DrillLine::Step(step) => {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            let detail = step.detail.as_deref().map(|detail| format!(": {detail}"));
            let detail = detail.unwrap_or_default();
            format!("{:<26} {verdict} {:>6} ms{detail}\n", step.step, step.duration_ms)
        }
        DrillLine::Result(report) => match &report.detail {
            None => format!(
                "passed in {} ms: this host installs, recovers and rolls back\n",
                report.duration_ms
            ),
            Some(why) => format!("FAILED, and nothing is left of it: {why}\n"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_line_and_the_end_says_what_it_means() {
        let line = |text: &str| render(&serde_json::from_str(text).unwrap());
        let mut text =
            line(r#"{"type": "step", "step": "install", "passed": true, "duration_ms": 310}"#);
        text += &line(
            r#"{"type": "step", "step": "kill:received", "passed": false, "duration_ms": 5,
                "detail": "failed to start"}"#,
        );
        let ended = |rest: &str| {
            line(&format!(
                r#"{{"type": "result", "format": 1, "code": null, "app": "agent", "caller": "local",
                "started_at": "2026-01-02T03:04:05Z", "duration_ms": 4200, "steps": [], {rest}}}"#
            ))
        };
        text += &ended(r#""status": "passed""#);
        text += &ended(r#""status": "failed", "detail": "kill:received: failed to start""#);
        insta::assert_snapshot!(text, @r"
        install                    passed    310 ms
        kill:received              FAILED      5 ms: failed to start
        passed in 4200 ms: this host installs, recovers and rolls back
        FAILED, and nothing is left of it: kill:received: failed to start
        ");
    }
}
