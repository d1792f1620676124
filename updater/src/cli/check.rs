//! `updater check`: all that is wrong, at once.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use common::Style;

use crate::check::check_file;
use crate::cli::args::CheckArgs;
use crate::cli::errors::CliError;
use crate::cli::system::{pretty, print};
use crate::config::{Config, Finding, has_errors};
use crate::environment::Environment;
use crate::server::LOCAL_SOCKET;
use crate::sys::wall_clock;
use crate::systemd::BusConnection;

pub(super) fn check(
    asked: &CheckArgs,
    environment: &Environment,
    systemd: &BusConnection,
    style: Style,
) -> Result<bool, CliError> {
    let running = asked.running || daemon_runs(&asked.common.config);
    let checked = check_file(&asked.common.config, wall_clock(), running, systemd);
    let mut findings = checked.findings;
    findings.extend(
        checked.config.zip(environment.listening()).and_then(|(config, now)| moved(&config, now)),
    );
    let text =
        if asked.json { pretty(&findings)? + "\n" } else { style.paint_heads(&render(&findings)) };
    print(&text)?;
    Ok(!has_errors(&findings))
}

/// The updater that asks this would listen elsewhere from its next start on, where no master looks.
fn moved(config: &Config, now: SocketAddr) -> Option<Finding> {
    let next = config.listen.as_str();
    (next.parse() != Ok(now)).then(|| {
        let message = format!("the updater listens on {now}, and from its next start on {next}");
        Finding::error("listen", message).hint("if that is meant, restart the updater first")
    })
}

/// Whether our own daemon has the port: it answers on its local socket, whatever else is wrong in the
/// file. Where its place is not known, no other program is accused.
pub(super) fn daemon_runs(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).ok();
    let Some(rest) = text.and_then(|text| Config::rest_of(&text, path)) else { return false };
    let socket = rest.config.state_dir.join(LOCAL_SOCKET);
    !rest.is_said("state_dir") || UnixStream::connect(socket).is_ok()
}

pub(super) fn render(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in each_once(findings) {
        let _ = writeln!(text, "{}: {finding}", finding.severity.into_str());
    }
    if !has_errors(findings) {
        text.push_str("ok: the updater can run with this configuration\n");
    }
    text
}

/// What is so of several keys stands there once, with the first of them: a host may have thousands of apps.
fn each_once(findings: &[Finding]) -> Vec<Finding> {
    const MOST: usize = 3;
    let mut all: Vec<(Finding, Vec<&str>)> = Vec::new();
    for finding in findings {
        let is_same = |(known, _): &&mut (Finding, Vec<&str>)| {
            (known.severity, &known.message, &known.hint)
                == (finding.severity, &finding.message, &finding.hint)
        };
        match all.iter_mut().find(is_same) {
            Some((_, keys)) if keys.contains(&finding.key.as_str()) => {}
            Some((_, keys)) => keys.push(&finding.key),
            None => all.push((finding.clone(), vec![&finding.key])),
        }
    }
    let named = |(finding, keys): (Finding, Vec<&str>)| {
        if keys.len() == 1 {
            return finding;
        }
        let more = keys.len().saturating_sub(MOST);
        let more = (more > 0).then(|| format!("and {more} more"));
        let shown = keys.into_iter().take(MOST).chain(more.as_deref());
        let key = shown.filter(|key| !key.is_empty()).collect::<Vec<_>>().join(", ");
        Finding { key, line: None, ..finding }
    };
    all.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_of_many_apps_stands_there_once() {
        let of =
            |number| Finding::warning(format!("app.a{number}.user"), "is not set").hint("set it");
        let mut findings: Vec<_> = (1..=27).map(of).collect();
        findings.insert(1, Finding::error("listen", "is taken").line(3));
        assert_eq!(
            render(&findings),
            "warning: app.a1.user, app.a2.user, app.a3.user, and 24 more: is not set (set it)\n\
             error: line 3: listen: is taken\n"
        );
    }
}
