//! The file first, then all that it names on the machine.

use std::path::Path;

use time::OffsetDateTime;

use super::account::{self, Account};
use super::permissions::others_may_write;
use super::{directories, identity, keys, machine, units};
use crate::config::{Config, ConfigError, Finding, Rest, validate};
use crate::release::Layout;
use crate::systemd::BusConnection;
use crate::transaction::{AppFiles, lost_release};

/// All that is wrong, and the configuration if the file has one.
#[derive(Debug)]
pub struct Checked {
    /// What the file says; absent if it could not be read.
    pub config: Option<Config>,
    /// In the order of the file: its own faults, then what was seen on the machine.
    pub findings: Vec<Finding>,
}

/// Reads a configuration, judges it, and looks at the machine. Where the daemon runs already
/// (`daemon_runs`), that its port is taken is no fault.
pub fn check_file(
    path: &Path,
    now: OffsetDateTime,
    daemon_runs: bool,
    systemd: &BusConnection,
) -> Checked {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let unread = Finding::error("", format!("read {}: {error}", path.display()));
            return Checked { config: None, findings: vec![unread] };
        }
    };
    let mut findings = Vec::new();
    check_mode(path, &mut findings);
    match Config::parse_beside(&text, path) {
        Ok(config) => {
            findings.extend(validate(&config));
            look_at_machine(&config, now, daemon_runs, systemd, &mut findings);
            Checked { config: Some(config), findings }
        }
        Err(ConfigError::Faults(faults)) => {
            findings.extend(faults);
            if let Some(rest) = Config::rest_of(&text, path) {
                findings.extend(look_at_rest(&rest, now, daemon_runs, systemd));
            }
            Checked { config: None, findings }
        }
        Err(error @ ConfigError::Read { .. }) => {
            findings.push(Finding::error("", error.to_string()));
            Checked { config: None, findings }
        }
    }
}

/// What else is wrong beside what could not be read.
fn look_at_rest(
    rest: &Rest,
    now: OffsetDateTime,
    daemon_runs: bool,
    systemd: &BusConnection,
) -> Vec<Finding> {
    let mut findings = validate(&rest.config);
    look_at_machine(&rest.config, now, daemon_runs, systemd, &mut findings);
    findings.retain(|finding| rest.is_said(&finding.key));
    findings
}

/// A user that can write the file decides what the updater runs.
fn check_mode(path: &Path, findings: &mut Vec<Finding>) {
    if others_may_write(path) {
        findings.push(
            Finding::error("", format!("others may write {}", path.display()))
                .hint(format!("run: chmod go-w {}", path.display())),
        );
    }
}

fn look_at_machine(
    config: &Config,
    now: OffsetDateTime,
    daemon_runs: bool,
    systemd: &BusConnection,
    findings: &mut Vec<Finding>,
) {
    identity::check(config, now, findings);
    keys::check("self.trusted_keys", &config.self_update.trusted_keys, findings);
    machine::check(config, daemon_runs, findings);
    let own = Account::own();
    units::check(config, &own, systemd, findings);
    directories::check_state(&config.state_dir, &own, findings);
    directories::check_install(
        "self.install_dir",
        &config.self_update.install_dir,
        None,
        &own,
        findings,
    );
    for (name, app) in &config.apps {
        let section = format!("app.{name}");
        keys::check(&format!("{section}.trusted_keys"), &app.trusted_keys, findings);
        let user = account::check(&format!("{section}.user"), app.user.as_deref(), &own, findings);
        if !app.build_network && !own.uid.is_root() {
            let key = format!("{section}.build_network");
            findings.push(Finding::error(key, "only root can take the network away from a build"));
        }
        let key = format!("{section}.install_dir");
        directories::check_install(&key, &app.install_dir, user.as_ref(), &own, findings);
        let files = AppFiles::new(&config.state_dir, name);
        if let Ok(Some(lost)) = lost_release(&files, &Layout::new(&app.install_dir)) {
            let hint = "mount it and restart the updater; `--force` installs anew";
            findings.push(Finding::error(&key, lost).hint(hint));
        }
        if let Some(user) = &user {
            directories::check_entry("state_dir", &config.state_dir, user, findings);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn check(path: &Path) -> Checked {
        check_file(path, OffsetDateTime::UNIX_EPOCH, false, &BusConnection::default())
    }

    #[test]
    fn an_identity_beside_the_file_is_looked_for_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("updater.toml");
        fs::write(&path, "identity = 'updater'\n[app.agent]\ninstall_dir = '/opt/agent'\n")
            .unwrap();
        let checked = check(&path);
        let identity = directory.path().join("updater");
        assert_eq!(checked.config.unwrap().identity, identity);
        let said = |finding: &Finding| finding.message.contains("relative");
        assert!(!checked.findings.iter().any(said), "{:#?}", checked.findings);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("updater.toml");
        let here = directory.path().display();
        fs::write(
            &path,
            format!(
                "listen = '192.0.2.1:1'\nidentity = '{here}/none'\nstate_dir = '{here}/state'\n\
                 [self]\ninstall_dir = '{here}/own'\n\
                 [app.agent]\ninstall_dir = '{here}/updater.toml/x'\nuser = 'nobody-of-this-name'\n\
                 keep = 1\n"
            ),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let checked = check(&path);
        assert!(checked.config.is_some());
        for (key, part) in [
            ("", "others may write"),
            ("app.agent.keep", "must be 2 or more"),
            ("identity", "read "),
            ("listen", "192.0.2.1:1"),
            ("app.agent.user", "no user"),
            ("app.agent.install_dir", "not a directory"),
        ] {
            let said = |finding: &Finding| finding.key == key && finding.message.contains(part);
            assert!(checked.findings.iter().any(said), "{key}: {part}: {:#?}", checked.findings);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing was made");
    }

    #[test]
    fn a_key_that_cannot_be_read_hides_no_other_fault() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("updater.toml");
        let here = directory.path().display();
        let text = format!(
            "lisen = '192.0.2.1:1'\nidentity = '{here}/none'\nstate_dir = '{here}/state'\n\
             [self]\ninstall_dir = 7\n[app.web]\nkeep = 1\n[app.agent]\n\
             install_dir = '{here}/updater.toml/x'\nuser = 'nobody-of-this-name'\nkeep = 'many'\n"
        );
        fs::write(&path, text).unwrap();
        let checked = check(&path);
        assert!(checked.config.is_none());
        let keys: Vec<_> = checked.findings.iter().map(|finding| finding.key.as_str()).collect();
        let expected = [
            "lisen",
            "self.install_dir",
            "app.web.install_dir",
            "app.agent.keep",
            "identity",
            "app.agent.user",
            "app.agent.install_dir",
        ];
        for key in expected {
            assert!(keys.contains(&key), "{key}: {:#?}", checked.findings);
        }
        // Of what is not known, nothing is claimed.
        for key in ["listen", "app.web.keep"] {
            assert!(!keys.contains(&key), "{key}: {:#?}", checked.findings);
        }
        fs::write(&path, "listen = '1\n").unwrap();
        assert_eq!(check(&path).findings.len(), 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_one_finding() {
        let checked = check(Path::new("/nonexistent.toml"));
        assert!(checked.config.is_none());
        assert_eq!(checked.findings.len(), 1);
    }
}
