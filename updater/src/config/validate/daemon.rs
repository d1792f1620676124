//! The daemon's own keys: `listen`, `[limits]`, `[self]`.

use std::net::SocketAddr;

use super::refuse_zero;
use crate::config::{Config, Finding};

pub(super) fn validate(config: &Config, findings: &mut Vec<Finding>) {
    if config.listen.parse::<SocketAddr>().is_err() {
        findings.push(
            Finding::error("listen", format!("{:?} is not an address and a port", config.listen))
                .hint("for example 0.0.0.0:8766 or [::]:8766"),
        );
    }
    if config.apps.is_empty() {
        findings.push(
            Finding::warning("app", "there is no app: this host takes no releases")
                .hint("add a section [app.agent]"),
        );
    }
    validate_limits(config, findings);
    refuse_zero(
        "self.takeover_timeout".into(),
        config.self_update.takeover_timeout.0.is_zero(),
        findings,
    );
    refuse_few("self.keep", config.self_update.keep, findings);
}

/// One release to run, and one to go back to.
pub(super) fn refuse_few(key: &str, keep: usize, findings: &mut Vec<Finding>) {
    if keep < 2 {
        findings.push(
            Finding::error(key, format!("must be 2 or more and is {keep}"))
                .hint("one release runs, one is there to go back to"),
        );
    }
}

fn validate_limits(config: &Config, findings: &mut Vec<Finding>) {
    let limits = &config.limits;
    let zeros = [
        ("archive_bytes", limits.archive_bytes.0 == 0),
        ("unpacked_bytes", limits.unpacked_bytes.0 == 0),
        ("entries", limits.entries == 0),
        ("connections", limits.connections == 0),
        ("handshake_timeout", limits.handshake_timeout.0.is_zero()),
        ("header_timeout", limits.header_timeout.0.is_zero()),
        ("body_timeout", limits.body_timeout.0.is_zero()),
        ("receive_timeout", limits.receive_timeout.0.is_zero()),
        ("sync_timeout", limits.sync_timeout.0.is_zero()),
        ("drill_timeout", limits.drill_timeout.0.is_zero()),
    ];
    for (name, zero) in zeros {
        refuse_zero(format!("limits.{name}"), zero, findings);
    }
    if limits.unpacked_bytes < limits.archive_bytes {
        findings.push(Finding::warning(
            "limits.unpacked_bytes",
            "is less than limits.archive_bytes, which no archive can then reach",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_said, said};

    #[test]
    fn zero_and_nonsense_are_errors() {
        let found = said(
            "listen = 'localhost'\n[limits]\nentries = 0\nbody_timeout = '0'\n\
             [self]\nkeep = 1\ntakeover_timeout = '0s'\n",
        );
        for expected in [
            "error: listen: ",
            "error: limits.entries: must be more than zero",
            "error: limits.body_timeout: ",
            "error: self.keep: must be 2 or more and is 1",
            "error: self.takeover_timeout: ",
            "warning: app: ",
        ] {
            assert_said(&found, expected);
        }
        assert_eq!(found.len(), 6, "{found:#?}");
    }
}
