//! `strategy = "handover"`, and the keys that mean something only with it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::{AppConfig, Finding, RunConfig, RunnerKind, Strategy, UNIX};
use crate::systemd::is_template;

pub(super) fn validate(section: &str, app: &AppConfig, findings: &mut Vec<Finding>) {
    let (run, health) = (&app.run, &app.health);
    let key = |name: &str| format!("{section}.{name}");
    let mut addresses = BTreeSet::new();
    for socket in run.sockets.iter().filter(|socket| !addresses.insert(socket.address)) {
        let text = format!("{} is there twice", socket.address);
        findings.push(Finding::error(key("run.sockets"), text));
    }
    if !run.sockets.is_empty() && run.kind == RunnerKind::Systemd {
        findings.push(
            Finding::warning(key("run.sockets"), "only the runner \"process\" passes sockets on")
                .hint("with units, a socket unit opens them"),
        );
    }
    if run.strategy != Strategy::Handover {
        if health.ready_url.is_some() {
            let text = "means nothing without the strategy \"handover\"";
            findings.push(Finding::warning(key("health.ready_url"), text));
        }
        return;
    }
    if run.kind == RunnerKind::Process && run.command.as_ref().is_some_and(|it| it.0.is_empty()) {
        let text = "is empty: without a process there is nothing to hand over";
        findings.push(Finding::error(key("run.command"), text));
    }
    if run.kind == RunnerKind::Systemd {
        validate_units(&key("run.units"), run, findings);
    } else if run.sockets.is_empty() {
        findings.push(
            Finding::error(key("run.sockets"), "is not set: one agent cannot follow the other")
                .hint("say where it listens, for example [\"127.0.0.1:8765\"]"),
        );
    }
    let asked = health.ready_url.as_ref().or(health.url.as_ref());
    if asked.is_some_and(|url| url.starts_with(UNIX)) {
        findings.push(
            Finding::error(key("health.ready_url"), "cannot be asked at a Unix socket")
                .hint("which of two agents took a connection is known of TCP alone"),
        );
    }
    if health.ready_url.is_none() && health.url.is_none() && health.tcp.is_none() {
        findings.push(
            Finding::error(key("health.ready_url"), "is not set, nor are url and tcp")
                .hint("nothing else shows when the new agent is ready"),
        );
    }
    if run.drain_timeout.0 < Duration::from_secs(1) {
        findings.push(
            Finding::warning(key("run.drain_timeout"), "ends requests that are being answered")
                .hint(format!("the default is {}", RunConfig::default().drain_timeout)),
        );
    }
}

/// What serves is made from a template, twice for a while, and takes its sockets from socket units.
fn validate_units(key: &str, run: &RunConfig, findings: &mut Vec<Finding>) {
    let is_socket = |unit: &&String| unit.ends_with(".socket");
    if !run.units.iter().any(|unit| is_socket(&unit)) {
        findings.push(
            Finding::error(key, "has no socket unit: one agent cannot follow the other").hint(
                "name what it takes its sockets from: [\"agent.socket\", \"agent@.service\"]",
            ),
        );
    }
    let is_made_twice = |unit: &&String| is_template(unit) && unit.ends_with(".service");
    for unit in run.units.iter().filter(|unit| !is_socket(unit) && !is_made_twice(unit)) {
        findings.push(
            Finding::error(key, format!("{unit} cannot run twice at a time"))
                .hint("a handover has socket units and templates of services: agent@.service"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    #[test]
    fn a_handover_needs_sockets_and_something_to_ask() {
        let found = said_of_app("[app.agent.run]\nstrategy = 'handover'\ndrain_timeout = '0'");
        assert_said(&found, "error: app.agent.run.sockets: is not set");
        assert_said(&found, "error: app.agent.health.ready_url: is not set");
        assert_said(&found, "warning: app.agent.run.drain_timeout: ");
        let found = said_of_app(
            "[app.agent.run]\nstrategy = 'handover'\nsockets = ['127.0.0.1:1', 'a=127.0.0.1:1']\n\
             [app.agent.health]\nready_url = 'ftp://x/'\n",
        );
        assert_said(&found, "error: app.agent.run.sockets: 127.0.0.1:1 is there twice");
        assert_said(&found, "error: app.agent.health.ready_url: ftp is neither");
    }

    #[test]
    fn what_means_nothing_is_said() {
        let found = said_of_app("[app.agent.health]\nready_url = 'http://127.0.0.1/'\n");
        assert_said(&found, "warning: app.agent.health.ready_url: means nothing");
        let found = said_of_app(
            "[app.agent.run]\nkind = 'systemd'\nunits = ['a.service']\nsockets = ['127.0.0.1:1']\n",
        );
        assert_said(&found, "warning: app.agent.run.sockets: only the runner \"process\"");
    }

    #[test]
    fn units_that_are_handed_over_are_sockets_and_templates() {
        let units = |units: &str| {
            said_of_app(&format!(
                "[app.agent.run]\nkind = 'systemd'\nstrategy = 'handover'\nunits = {units}\n\
                 [app.agent.health]\nurl = 'http://127.0.0.1/'\n"
            ))
        };
        let found = units("['agent.socket', 'agent@.service', 'worker@.service']");
        assert!(!found.iter().any(|line| line.contains("app.agent.run")), "{found:#?}");
        let found = units("['agent@.service', 'worker.service', 'agent@.timer']");
        assert_said(&found, "error: app.agent.run.units: has no socket unit");
        assert_said(&found, "error: app.agent.run.units: worker.service cannot run twice");
        assert_said(&found, "error: app.agent.run.units: agent@.timer cannot run twice");
    }
}
