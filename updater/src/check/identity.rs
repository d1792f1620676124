//! The updater's own identity, and those that probes show. Loading
//! them refuses keys that others may read.

use common::chain;
use pki::{Credentials, Identity, Paths, Peer, Role};
use time::OffsetDateTime;

use crate::config::{Config, Finding};

pub(super) fn check(config: &Config, now: OffsetDateTime, findings: &mut Vec<Finding>) {
    match Identity::load(&Paths::updater(&config.identity)) {
        Ok(identity) => findings.extend(judge_identity(&identity, now)),
        Err(error) => findings.push(
            Finding::error("identity", chain(&error))
                .hint("swarm enroll --updater makes the three files"),
        ),
    }
    for (name, app) in &config.apps {
        if let Some(directory) = &app.health.identity
            && let Err(error) = Credentials::load(&Paths::client(directory))
        {
            findings.push(Finding::error(format!("app.{name}.health.identity"), chain(&error)));
        }
    }
}

/// What is to be said of an identity whose files belong together: its role, and its time.
pub fn judge_identity(identity: &Identity, now: OffsetDateTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_role(identity.role(), &mut findings);
    check_dates(identity.peer(), now, &mut findings);
    findings
}

fn check_role(role: &Role, findings: &mut Vec<Finding>) {
    if !matches!(role, Role::Updater(_)) {
        findings.push(
            Finding::error("identity", format!("the certificate is of {role}, not of an updater"))
                .hint("swarm enroll --updater makes the right one"),
        );
    }
}

/// A certificate is renewed when a third of its life is left.
fn check_dates(peer: &Peer, now: OffsetDateTime, findings: &mut Vec<Finding>) {
    let life = peer.not_after - peer.not_before;
    let left = peer.not_after - now;
    if now < peer.not_before {
        findings.push(
            Finding::error("identity", format!("the certificate begins at {}", peer.not_before))
                .hint("look at this machine's clock"),
        );
    } else if left.is_negative() {
        findings.push(
            Finding::error("identity", format!("the certificate ended at {}", peer.not_after))
                .hint("enroll this host again; or, if this machine's clock is wrong, set it"),
        );
    } else if left < life / 3 {
        findings.push(
            Finding::warning(
                "identity",
                format!("the certificate ends in {} days", left.whole_days()),
            )
            .hint("enroll this host again before that"),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use pki::{Authority, Fleet, Request, write_bundles};
    use time::Duration;

    use super::*;

    const BEGIN: OffsetDateTime = time::macros::datetime!(2026-01-01 0:00 UTC);

    /// A directory with a fresh identity of a role, and what is said of it at a time.
    fn said(role: &str, now: OffsetDateTime, break_it: fn(&std::path::Path)) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("identity");
        let authority = Authority::create(&Fleet::default(), BEGIN).unwrap();
        let uri: pki::RoleUri = format!("spiffe://{}/{role}", Fleet::default()).parse().unwrap();
        let issued = authority.issue(&Request::new(uri.role), BEGIN).unwrap();
        write_bundles(&[issued.bundle(&authority, directory.clone())]).unwrap();
        break_it(&directory);
        let text = format!("identity = '{}'", directory.display());
        let mut findings = Vec::new();
        check(&Config::parse(&text).unwrap(), now, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_fresh_identity_is_fine_and_an_old_one_is_told() {
        let at = |days| said("updater/web-1", BEGIN + Duration::days(days), |_| {});
        assert_eq!(at(1), Vec::<String>::new());
        assert!(at(80)[0].contains("ends in"), "{:?}", at(80));
        assert!(at(100)[0].contains("ended at"), "{:?}", at(100));
        assert!(at(-2)[0].contains("clock"), "{:?}", at(-2));
    }

    #[test]
    fn a_loose_key_is_told_with_the_command_that_helps() {
        let found = said("updater/web-1", BEGIN, |directory| {
            let key = directory.join("updater.key");
            fs::set_permissions(key, fs::Permissions::from_mode(0o644)).unwrap();
        });
        assert!(found[0].contains("chmod 600"), "{found:?}");
    }

    #[test]
    fn another_role_is_told() {
        let found = said("agent/web-1", BEGIN, |directory| {
            for kind in ["crt", "key"] {
                let from = directory.join(format!("worker.{kind}"));
                fs::rename(from, directory.join(format!("updater.{kind}"))).unwrap();
            }
        });
        assert!(found[0].contains("agent/web-1, not of an updater"), "{found:?}");
    }
}
