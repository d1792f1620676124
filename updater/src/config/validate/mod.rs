//! What the values of a configuration mean, and which of them cannot work. Pure: looking at the
//! machine is for `updater check`.

mod app;
mod daemon;
mod handover;
mod health_probe;
mod links;
mod paths;
mod reload;
mod signatures;
mod units;

pub use reload::leads_to_active;

use super::{Config, Finding};

/// Each app has threads and files of its own, and a column wherever hosts are shown.
const MOST_APPS: usize = 100;

/// All that can be said about a configuration without looking at the machine.
pub fn validate(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    daemon::validate(config, &mut findings);
    paths::validate(config, &mut findings);
    signatures::validate(config, &mut findings);
    if config.apps.len() > MOST_APPS {
        findings.push(Finding::error("app", format!("has more than {MOST_APPS} apps")));
    }
    for (name, app) in &config.apps {
        let section = format!("app.{name}");
        app::validate(&section, name, app, &mut findings);
        links::validate(&section, &app.links, &mut findings);
        health_probe::validate(&format!("{section}.health"), &app.health, &mut findings);
    }
    findings
}

/// A bound or a deadline of zero is none, or forbids everything: neither is ever meant.
fn refuse_zero(key: String, zero: bool, findings: &mut Vec<Finding>) {
    if zero {
        findings.push(Finding::error(key, "must be more than zero"));
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// What is said about the text of a configuration, one line each.
    pub(crate) fn said(text: &str) -> Vec<String> {
        let config = Config::parse(text).unwrap();
        let show = |finding: &Finding| format!("{}: {finding}", finding.severity.into_str());
        validate(&config).iter().map(show).collect()
    }

    /// The same of one app with `lines` in its section.
    pub(crate) fn said_of_app(lines: &str) -> Vec<String> {
        said(&format!("[app.agent]\ninstall_dir = '/opt/agent'\nuser = 'agent'\n{lines}"))
    }

    /// That one of the lines begins so.
    pub(crate) fn assert_said(found: &[String], expected: &str) {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected:?} in {found:#?}");
    }
}

#[cfg(test)]
mod tests {
    use super::testing::said;

    #[test]
    fn there_are_no_more_apps_than_anything_needs() {
        let apps = |number: usize| {
            let app =
                |number| format!("[app.a{number}]\ninstall_dir = '/opt/{number}'\nuser = 'u'\n");
            let text: String = (0..number).map(app).collect();
            said(&text).into_iter().filter(|line| line.contains("more than")).count()
        };
        assert_eq!((apps(100), apps(101)), (0, 1));
    }

    #[test]
    fn the_plain_configuration_has_no_finding() {
        let found = said(
            "[app.agent]\ninstall_dir = '/opt/agent'\nuser = 'agent'\nlinks = ['.env', 'data/']\n\
             [app.agent.run]\ncommand = 'bin/agent'\n\
             [app.agent.health]\nurl = 'https://127.0.0.1:8765/health'\n\
             release_pointer = '/release'\n",
        );
        assert!(found.is_empty(), "{found:#?}");
    }
}
