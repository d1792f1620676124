//! `strategy = "reload"`.

use std::path::Path;

use protocol::Command;

use crate::config::{AppConfig, Finding, RunnerKind, Strategy, UNIX};

pub(super) fn validate(section: &str, app: &AppConfig, findings: &mut Vec<Finding>) {
    let key = |key: &str| format!("{section}.run.{key}");
    let run = &app.run;
    if run.reload.as_ref().is_some_and(|command| command.0.iter().all(String::is_empty)) {
        findings
            .push(Finding::error(key("reload"), "is empty").hint("name a program, or remove it"));
    }
    if run.strategy != Strategy::Reload {
        if run.reload.is_some() {
            findings.push(
                Finding::warning(key("reload"), "is not used").hint("say strategy = \"reload\""),
            );
        }
        return;
    }
    if run.kind == RunnerKind::Process {
        if run.reload.is_none() {
            findings.push(
                Finding::error(key("strategy"), "\"reload\" of a process needs a command for it")
                    .hint("say reload = [\"kill\", \"-HUP\", \"$MAINPID\"], or as the program wants it"),
            );
        }
        let leads = |command: &Command| leads_to_active(&command.0, &app.install_dir);
        if run.command.as_ref().is_some_and(|command| !leads(command)) {
            let active = app.install_dir.join("current");
            let text = format!("no word of it leads through {}", active.display());
            findings.push(
                Finding::error(key("command"), text)
                    .hint("a program that runs reads no other release by any other path"),
            );
        }
    }
    if app.health.url.as_ref().is_none_or(|url| url.starts_with(UNIX)) {
        findings.push(
            Finding::error(format!("{section}.health.url"), "is not set, or names a Unix socket")
                .hint("after a reload only an answer over TCP shows which worker has given it"),
        );
    }
}

/// Whether a command reads what the active release of an install directory has: one of its words leads there.
pub fn leads_to_active(command: &[String], install_dir: &Path) -> bool {
    let active = install_dir.join("current").display().to_string();
    command.iter().any(|word| word.contains(&active))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    #[test]
    fn a_reload_is_of_a_unit_that_is_asked_over_tcp() {
        let found = said_of_app("[app.agent.run]\nstrategy = 'reload'\n");
        assert_said(
            &found,
            "error: app.agent.run.strategy: \"reload\" of a process needs a command",
        );
        assert_said(&found, "error: app.agent.health.url: is not set");
        let found = said_of_app(
            "[app.agent.run]\nkind = 'systemd'\nunits = ['a.service']\nstrategy = 'reload'\n\
             [app.agent.health]\nurl = 'http://127.0.0.1:1/'\n",
        );
        assert!(!found.iter().any(|line| line.contains("app.agent.run")), "{found:#?}");
    }

    #[test]
    fn a_process_is_reloaded_by_a_command_and_reads_what_is_active() {
        let said = |lines: &str| {
            let health = "[app.agent.health]\nurl = 'http://127.0.0.1:8080/'\n";
            said_of_app(&format!("[app.agent.run]\nstrategy = 'reload'\n{lines}{health}"))
        };
        let found = said("reload = 'kill -HUP $MAINPID'\ncommand = '/bin/web -c web.conf'\n");
        assert_said(
            &found,
            "error: app.agent.run.command: no word of it leads through /opt/agent/current",
        );
        let found = said("reload = []\ncommand = '/bin/web -c /opt/agent/current/web.conf'\n");
        assert_said(&found, "error: app.agent.run.reload: is empty");
        let found = said("reload = 'x'\ncommand = '/bin/web --conf=/opt/agent/current/web.conf'\n");
        assert!(!found.iter().any(|line| line.contains("app.agent.run")), "{found:#?}");
        let found = said_of_app("[app.agent.run]\nreload = 'x'\n");
        assert_said(&found, "warning: app.agent.run.reload: is not used");
    }
}
