//! `[app.<name>]` and `[app.<name>.run]`.

use std::collections::BTreeMap;

use protocol::{AppName, DRILL_APP, SELF_APP};

use super::daemon::refuse_few;
use super::{refuse_zero, units};
use crate::config::{AppConfig, BuildSetting, Finding, RunConfig, RunnerKind};

pub(super) fn validate(
    section: &str,
    name: &AppName,
    app: &AppConfig,
    findings: &mut Vec<Finding>,
) {
    if name.as_str() == SELF_APP {
        findings.push(
            Finding::error(section, "is the name of the updater's own releases")
                .hint("they are configured in [self]; give the app another name"),
        );
    }
    if name.as_str() == DRILL_APP {
        findings.push(
            Finding::error(section, "is the name of what a drill installs")
                .hint("give the app another name"),
        );
    }
    refuse_few(&format!("{section}.keep"), app.keep, findings);
    validate_user(section, app, findings);
    validate_build(section, app, findings);
    refuse_zero(format!("{section}.confirm_window"), app.confirm_window.0.is_zero(), findings);
    for (key, timeout) in
        [("hooks_timeout", app.hooks_timeout), ("migrations_timeout", app.migrations_timeout)]
    {
        refuse_zero(format!("{section}.{key}"), timeout.0.is_zero(), findings);
    }
    validate_run(&format!("{section}.run"), &app.run, findings);
    super::handover::validate(section, app, findings);
    super::reload::validate(section, app, findings);
}

fn validate_user(section: &str, app: &AppConfig, findings: &mut Vec<Finding>) {
    let key = format!("{section}.user");
    match app.user.as_deref() {
        Some(user) if user.is_empty() || user.contains([':', '/', '\0', '\n', ' ']) => {
            findings.push(Finding::error(key, format!("{user:?} is not the name of a user")));
        }
        Some("root") => findings.push(
            Finding::warning(key, "builds and runs every release as root")
                .hint("make a user for the app"),
        ),
        _ => {}
    }
}

fn validate_build(section: &str, app: &AppConfig, findings: &mut Vec<Finding>) {
    refuse_zero(format!("{section}.build_timeout"), app.build_timeout.0.is_zero(), findings);
    refuse_zero(format!("{section}.build_output"), app.build_output.0 == 0, findings);
    refuse_zero(format!("{section}.build_file_size"), app.build_file_size.0 == 0, findings);
    for (key, value) in
        [("build_processes", app.build_processes), ("build_open_files", app.build_open_files)]
    {
        if value < 16 {
            findings.push(
                Finding::error(format!("{section}.{key}"), "is too little for any tool")
                    .hint("set it to 16 or more"),
            );
        }
    }
    if app.build_memory.is_some_and(|memory| memory.0 < 64 << 20) {
        findings.push(
            Finding::error(format!("{section}.build_memory"), "is too little for any tool")
                .hint("it bounds the address space of each process: 64MiB or more"),
        );
    }
    if !app.build_network {
        findings.push(
            Finding::note(
                format!("{section}.build_network"),
                "to take the network away takes root",
            )
            .hint(
                "with build_unit = false it also takes the capability SYS_ADMIN, which the drop-in \
                 builds-without-network.conf gives",
            ),
        );
    }
    if let BuildSetting::Command(words) = &app.build
        && words.first().is_some_and(String::is_empty)
    {
        findings.push(Finding::error(format!("{section}.build"), "begins with an empty word"));
    }
    validate_environment(&format!("{section}.build_env"), &app.build_env, findings);
}

fn validate_run(section: &str, run: &RunConfig, findings: &mut Vec<Finding>) {
    units::validate(section, run, findings);
    match &run.command {
        _ if run.kind == RunnerKind::Systemd => {}
        None => findings.push(Finding::note(
            format!("{section}.command"),
            "is not set: every release has to say it in its release.toml",
        )),
        Some(command) if command.0.first().is_some_and(String::is_empty) => {
            findings.push(
                Finding::error(format!("{section}.command"), "is empty")
                    .hint("for releases without a process, say []"),
            );
        }
        Some(_) => {}
    }
    validate_limits(section, run, findings);
    refuse_zero(format!("{section}.log_bytes"), run.log_bytes.0 == 0, findings);
    refuse_zero(format!("{section}.kill_timeout"), run.kill_timeout.0.is_zero(), findings);
    refuse_zero(format!("{section}.backoff"), run.backoff.0.is_zero(), findings);
    if run.backoff_max < run.backoff {
        findings.push(Finding::error(format!("{section}.backoff_max"), "is less than backoff"));
    }
    validate_environment(&format!("{section}.env"), &run.env, findings);
}

fn validate_limits(section: &str, run: &RunConfig, findings: &mut Vec<Finding>) {
    let limits = [
        ("tasks", "TasksMax=", run.tasks, 16, "16"),
        ("memory", "MemoryMax=", run.memory.map(|bytes| bytes.0), 1 << 20, "1MiB"),
    ];
    for (key, in_unit, limit, least, said) in limits {
        let Some(limit) = limit else { continue };
        let key = format!("{section}.{key}");
        if run.kind == RunnerKind::Systemd {
            findings.push(
                Finding::error(key, "means nothing for units that are not the updater's own")
                    .hint(format!("write {in_unit} into the unit")),
            );
        } else if limit < least {
            findings
                .push(Finding::error(key, format!("is too little: it has to be {said} at least")));
        }
    }
}

fn validate_environment(
    key: &str,
    environment: &BTreeMap<String, String>,
    findings: &mut Vec<Finding>,
) {
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            findings.push(Finding::error(key, format!("{name:?} cannot be set")));
        } else if name.starts_with("RELEASE_") || name.starts_with("LISTEN_") {
            findings.push(
                Finding::error(key, format!("{name} is a name of the updater's"))
                    .hint("it says there itself which release it is, and what it listens on"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said, said_of_app};

    #[test]
    fn the_name_of_the_drill_is_reserved() {
        let found = said("[app.drill]\ninstall_dir = '/opt/x'\n");
        assert_said(&found, "error: app.drill: is the name of what a drill installs");
    }

    #[test]
    fn the_name_of_the_updater_is_reserved() {
        let found = said("[app.updater]\ninstall_dir = '/opt/x'\n");
        assert_said(&found, "error: app.updater: is the name of the updater's own releases");
    }

    #[test]
    fn bounds_and_environments_are_checked() {
        let found = said_of_app(
            "keep = 0\nbuild_timeout = '0'\nbuild_memory = '1MiB'\nbuild = ['']\n\
             build_processes = 1\nbuild_open_files = 3\nbuild_file_size = '0'\n\
             build_env = { 'A=B' = 'x', RELEASE_PATH = '/', LISTEN_FDS = '1' }\nconfirm_window = '0s'\n\
             [app.agent.run]\ncommand = ''\nbackoff = '2m'\nkill_timeout = '0'\nlog_bytes = '0'\n",
        );
        for expected in [
            "error: app.agent.keep: ",
            "error: app.agent.build_timeout: ",
            "error: app.agent.build_memory: ",
            "error: app.agent.build_processes: ",
            "error: app.agent.build_open_files: ",
            "error: app.agent.build_file_size: ",
            "error: app.agent.build: ",
            "error: app.agent.build_env: \"A=B\"",
            "error: app.agent.build_env: RELEASE_PATH",
            "error: app.agent.build_env: LISTEN_FDS",
            "error: app.agent.confirm_window: ",
            "error: app.agent.run.command: is empty",
            "error: app.agent.run.backoff_max: ",
            "error: app.agent.run.log_bytes: ",
            "error: app.agent.run.kill_timeout: ",
        ] {
            assert_said(&found, expected);
        }
    }

    #[test]
    fn limits_that_mean_nothing_are_told() {
        let run = |keys: &str| said_of_app(&format!("[app.agent.run]\ntasks = 64\n{keys}\n"));
        for keys in ["", "transient = false", "sockets = ['127.0.0.1:1']"] {
            let said = run(keys);
            assert!(!said.iter().any(|said| said.contains("run.tasks")), "{said:?}");
        }
        let units = run("kind = 'systemd'\nunits = ['a.service']\nmemory = '1GiB'");
        assert_said(&units, "error: app.agent.run.tasks: means nothing");
        assert_said(&units, "error: app.agent.run.memory: means nothing");
        let few = said_of_app("[app.agent.run]\ntasks = 3\nmemory = '1KiB'\n");
        assert_said(&few, "error: app.agent.run.tasks: is too little");
        assert_said(&few, "error: app.agent.run.memory: is too little");
    }

    #[test]
    fn what_a_build_without_network_takes_is_a_note() {
        let found = said_of_app("build_network = false\n");
        assert_said(&found, "note: app.agent.build_network: ");
    }

    #[test]
    fn a_missing_command_is_a_note_since_the_release_may_have_it() {
        assert_said(&said_of_app(""), "note: app.agent.run.command: ");
    }

    #[test]
    fn an_app_that_is_root_is_warned_of() {
        let found = said("[app.a]\ninstall_dir = '/opt/a'\nuser = 'root'\n");
        assert_said(&found, "warning: app.a.user: ");
    }
}
