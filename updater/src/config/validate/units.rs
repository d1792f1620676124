//! `[app.<name>.run]`, as far as it is about units.

use super::refuse_zero;
use crate::config::{Finding, RunConfig, RunnerKind, Strategy};
use crate::systemd::{is_template, is_unit_name};

pub(super) fn validate(section: &str, run: &RunConfig, findings: &mut Vec<Finding>) {
    refuse_zero(format!("{section}.start_timeout"), run.start_timeout.0.is_zero(), findings);
    refuse_zero(format!("{section}.bus_timeout"), run.bus_timeout.0.is_zero(), findings);
    let lists = [("units", &run.units), ("unit_files", &run.unit_files)];
    for (key, names) in lists {
        for name in names.iter().filter(|name| !is_unit_name(name)) {
            findings.push(
                Finding::error(format!("{section}.{key}"), format!("{name:?} is no unit's name"))
                    .hint("write it with its kind: agent.service"),
            );
        }
        if run.kind == RunnerKind::Process && !names.is_empty() {
            findings.push(Finding::warning(
                format!("{section}.{key}"),
                "only the runner \"systemd\" has units",
            ));
        }
    }
    if run.kind == RunnerKind::Process {
        return;
    }
    if !run.units.iter().any(|unit| unit.ends_with(".service")) {
        findings.push(
            Finding::error(format!("{section}.units"), "has no service")
                .hint("name the units that are the agent: units = [\"agent.service\"]"),
        );
    }
    let templates = run.units.iter().filter(|unit| is_template(unit));
    for unit in templates.filter(|_| run.strategy != Strategy::Handover) {
        findings.push(
            Finding::error(format!("{section}.units"), format!("{unit} is a template"))
                .hint("name an instance of it: agent@1.service"),
        );
    }
    if run.command.is_some() {
        findings.push(
            Finding::warning(format!("{section}.command"), "is not run: units say what they run")
                .hint("remove it"),
        );
    }
    validate_behaviour(section, run, findings);
}

/// What says how a process behaves says nothing of units.
fn validate_behaviour(section: &str, run: &RunConfig, findings: &mut Vec<Finding>) {
    let keys = [
        ("stop_signal", "KillSignal", run.stop_signal.is_some()),
        ("kill_mode", "KillMode", run.kill_mode.is_some()),
        ("forks", "Type", run.forks.is_some()),
        ("pid_file", "PIDFile", run.pid_file.is_some()),
    ];
    for (key, own, _) in keys.iter().filter(|(_, _, is_set)| *is_set) {
        findings.push(
            Finding::warning(format!("{section}.{key}"), "is not heard: units say that themselves")
                .hint(format!("write {own}= in the unit")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    #[test]
    fn units_are_named_in_full_and_one_is_a_service() {
        let found = said_of_app(
            "[app.agent.run]\nkind = 'systemd'\nunits = ['agent', 'a@.service', 'b.timer']\n\
             unit_files = ['../x.service']\ncommand = 'bin/agent'\nbus_timeout = '0s'\n\
             stop_signal = 'QUIT'\n",
        );
        assert_said(&found, "error: app.agent.run.units: \"agent\" is no unit's name");
        assert_said(&found, "error: app.agent.run.units: a@.service is a template");
        assert_said(&found, "error: app.agent.run.unit_files: \"../x.service\"");
        assert_said(&found, "warning: app.agent.run.command: is not run");
        assert_said(&found, "error: app.agent.run.bus_timeout: ");
        assert_said(&found, "warning: app.agent.run.stop_signal: is not heard");
        let found = said_of_app("[app.agent.run]\nkind = 'systemd'\nunits = ['a.socket']\n");
        assert_said(&found, "error: app.agent.run.units: has no service");
        let found = said_of_app("[app.agent.run]\nunits = ['a.service']\n");
        assert_said(&found, "warning: app.agent.run.units: only the runner \"systemd\"");
        let found = said_of_app("[app.agent.run]\nkind = 'systemd'\nunits = ['a.service']\n");
        assert!(!found.iter().any(|line| line.contains("app.agent.run")), "{found:#?}");
    }
}
