//! `strategy = "reload"`.

use crate::config::{AppConfig, Finding, RunnerKind, Strategy, UNIX};

pub(super) fn validate(section: &str, app: &AppConfig, findings: &mut Vec<Finding>) {
    if app.run.strategy != Strategy::Reload {
        return;
    }
    if app.run.kind != RunnerKind::Systemd {
        findings.push(
            Finding::error(format!("{section}.run.strategy"), "\"reload\" is for units alone")
                .hint("say kind = \"systemd\", and name a service that has ExecReload="),
        );
    }
    if app.health.url.as_ref().is_none_or(|url| url.starts_with(UNIX)) {
        findings.push(
            Finding::error(format!("{section}.health.url"), "is not set, or names a Unix socket")
                .hint("after a reload only an answer over TCP shows which worker has given it"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said_of_app};

    #[test]
    fn a_reload_is_of_a_unit_that_is_asked_over_tcp() {
        let found = said_of_app("[app.agent.run]\nstrategy = 'reload'\n");
        assert_said(&found, "error: app.agent.run.strategy: \"reload\" is for units alone");
        assert_said(&found, "error: app.agent.health.url: is not set");
        let found = said_of_app(
            "[app.agent.run]\nkind = 'systemd'\nunits = ['a.service']\nstrategy = 'reload'\n\
             [app.agent.health]\nurl = 'http://127.0.0.1:1/'\n",
        );
        assert!(!found.iter().any(|line| line.contains("app.agent.run")), "{found:#?}");
    }
}
