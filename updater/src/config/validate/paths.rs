//! Directories: where they may be, and that none lies in another's.

use std::path::{Component, Path, PathBuf};

use crate::config::{Config, Finding};
use crate::server::LOCAL_SOCKET;

/// How long a socket's path may be (unix(7)): 108 bytes, the last of which is zero.
const SOCKET_BYTES: usize = 107;

pub(super) fn validate(config: &Config, findings: &mut Vec<Finding>) {
    let mut directories = vec![
        ("identity".to_owned(), config.identity.clone()),
        ("state_dir".to_owned(), config.state_dir.clone()),
        ("self.install_dir".to_owned(), config.self_update.install_dir.clone()),
    ];
    for (name, app) in &config.apps {
        directories.push((format!("app.{name}.install_dir"), app.install_dir.clone()));
        if let Some(identity) = &app.health.identity {
            refuse_unclear(&format!("app.{name}.health.identity"), identity, findings);
        }
    }
    for (key, path) in &directories {
        refuse_unclear(key, path, findings);
        if key.ends_with("install_dir") {
            refuse_system(key, path, findings);
        }
    }
    refuse_nested(&directories, findings);
    refuse_long(&config.state_dir, findings);
}

/// The path of a socket has a bound.
fn refuse_long(state_dir: &Path, findings: &mut Vec<Finding>) {
    let length = state_dir.join(LOCAL_SOCKET).as_os_str().len();
    if length > SOCKET_BYTES {
        findings.push(
            Finding::error(
                "state_dir",
                format!("the path of its socket {LOCAL_SOCKET} has {length} bytes, and may have {SOCKET_BYTES}"),
            )
            .hint("take a shorter directory"),
        );
    }
}

fn refuse_unclear(key: &str, path: &Path, findings: &mut Vec<Finding>) {
    if !path.is_absolute() {
        findings.push(
            Finding::error(key, format!("{} is a relative path", path.display()))
                .hint("it must begin with /"),
        );
    } else if path.components().any(|part| part == Component::ParentDir) {
        findings.push(Finding::error(key, format!("{} has a .. in it", path.display())));
    }
}

/// An install directory is swept, and its releases change owner: nothing else may be in it.
fn refuse_system(key: &str, path: &Path, findings: &mut Vec<Finding>) {
    const SHARED: &[&str] = &[
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/home",
        "/lib",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/local",
        "/var",
        "/var/lib",
    ];
    let plain: PathBuf = path.components().collect();
    if SHARED.iter().any(|shared| plain == Path::new(shared)) {
        findings.push(
            Finding::error(key, format!("{} belongs to the system", path.display()))
                .hint("give the app a directory of its own, for example /opt/agent"),
        );
    }
}

fn refuse_nested(directories: &[(String, PathBuf)], findings: &mut Vec<Finding>) {
    for (index, (key, path)) in directories.iter().enumerate() {
        for (other_key, other) in &directories[..index] {
            // An identity may lie in the state directory; nothing else in anything.
            if key == "state_dir" && path != other {
                continue;
            }
            let relation = if path == other {
                "is the same as"
            } else if path.starts_with(other) {
                "lies in"
            } else if other.starts_with(path) {
                "contains"
            } else {
                continue;
            };
            findings.push(
                Finding::error(key, format!("{} {relation} {other_key}", path.display()))
                    .hint("each needs a directory of its own"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said};

    #[test]
    fn relative_and_winding_paths_are_errors() {
        let found = said(
            "identity = 'identity'\n[app.agent]\ninstall_dir = '/opt/../etc'\nuser = 'a'\n\
             [app.agent.health]\nurl = 'https://127.0.0.1/'\nidentity = 'x'\n",
        );
        assert_said(&found, "error: identity: identity is a relative path");
        assert_said(&found, "error: app.agent.install_dir: /opt/../etc has a ..");
        assert_said(&found, "error: app.agent.health.identity: x is a relative path");
    }

    #[test]
    fn no_app_lives_in_another_or_in_the_updater() {
        let found = said(
            "[app.a]\ninstall_dir = '/opt/a'\n[app.b]\ninstall_dir = '/opt/a/'\n\
             [app.c]\ninstall_dir = '/opt/a/c'\n[app.d]\ninstall_dir = '/opt/updater/d'\n\
             [app.e]\ninstall_dir = '/var/lib/updater'\n[app.f]\ninstall_dir = '/var'\n\
             [app.g]\ninstall_dir = '/etc/updater'\n[app.h]\ninstall_dir = '/opt/ab'\n",
        );
        for expected in [
            "error: app.b.install_dir: /opt/a/ is the same as app.a.install_dir",
            "error: app.c.install_dir: /opt/a/c lies in app.a.install_dir",
            "error: app.d.install_dir: /opt/updater/d lies in self.install_dir",
            "error: app.e.install_dir: /var/lib/updater is the same as state_dir",
            "error: app.f.install_dir: /var belongs to the system",
            "error: app.f.install_dir: /var contains state_dir",
            "error: app.g.install_dir: /etc/updater contains identity",
        ] {
            assert_said(&found, expected);
        }
        assert!(!found.iter().any(|line| line.contains("app.h.install_dir")), "{found:#?}");
    }

    #[test]
    fn a_state_directory_has_room_for_its_socket() {
        let with = |length: usize| said(&format!("state_dir = '/{}'\n", "x".repeat(length - 1)));
        assert_said(
            &with(95),
            "error: state_dir: the path of its socket updater.sock has 108 bytes",
        );
        assert!(!with(94).iter().any(|line| line.contains("its socket")));
    }

    #[test]
    fn the_identity_may_lie_in_the_state_directory() {
        let found = said("identity = '/srv/u/id'\nstate_dir = '/srv/u'\n");
        assert!(!found.iter().any(|line| line.starts_with("error")), "{found:#?}");
    }
}
