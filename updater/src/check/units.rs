//! Units, and the systemd that is to start them.

use std::path::Path;

use common::chain;
use nix::unistd::{AccessFlags, access};
use protocol::AppName;

use crate::config::{AppConfig, Config, Finding, RunnerKind, Strategy};
use crate::runner::{Hindrance, UNIT_DIRECTORY, hindrances};
use crate::systemd::{self, Bus, Load, SystemdError, UnitState};

use super::account::Account;

/// As packages and `make install` name it.
const OWN_SERVICE: &str = "updater.service";
/// The system call that sockets of a running agent are taken with.
const TAKING: &str = "pidfd_getfd";

pub(super) fn check(config: &Config, own: &Account, findings: &mut Vec<Finding>) {
    for (name, app) in &config.apps {
        match app.run.kind {
            RunnerKind::Systemd => {
                check_units(name, app, own, systemd::is_running(), findings);
            }
            RunnerKind::Process => {
                check_made_units(name, app, own, findings);
                check_sockets(name, app, findings);
            }
        }
    }
}

fn check_units(
    name: &AppName,
    app: &AppConfig,
    own: &Account,
    systemd_runs: bool,
    findings: &mut Vec<Finding>,
) {
    let key = |key: &str| format!("app.{name}.run.{key}");
    if !systemd_runs {
        findings.push(
            Finding::error(key("kind"), "systemd does not run on this machine")
                .hint("use kind = \"process\""),
        );
        return;
    }
    if !own.uid.is_root() {
        findings.push(Finding::error(key("kind"), "only root can start and stop units"));
    }
    if access(Path::new(UNIT_DIRECTORY), AccessFlags::W_OK).is_err() || !service_may_write(app) {
        findings.push(
            Finding::error(key("kind"), format!("the updater cannot write {UNIT_DIRECTORY}")).hint(
                "copy share/swarm/drop-ins/units.conf to /etc/systemd/system/updater.service.d, \
                     and run: systemctl daemon-reload",
            ),
        );
    }
    match look(app, &key("units")) {
        Err(error) => findings.push(unreachable(key("kind"), &error)),
        Ok(found) => findings.extend(found),
    }
}

/// Whether the updater's service may write unit files. Whoever checks may not be confined as it is.
/// What systemd does not say is found elsewhere.
fn service_may_write(app: &AppConfig) -> bool {
    let asked = Bus::new(app.run.bus_timeout.0).map_err(SystemdError::Thread);
    let paths = asked
        .and_then(|bus| bus.ask(|systemd| async move { systemd.writable(OWN_SERVICE).await }))
        .unwrap_or_default();
    paths.is_none_or(|paths| paths.iter().any(|path| covers(path, UNIT_DIRECTORY)))
}

/// Whether a path of systemd's, which may begin with a sign, is another one or above it.
fn covers(path: &str, other: &str) -> bool {
    Path::new(other).starts_with(path.trim_start_matches(['-', '+']))
}

fn look(app: &AppConfig, key: &str) -> Result<Vec<Finding>, SystemdError> {
    if app.run.strategy == Strategy::Restart {
        let states = states(app)?;
        let found = states.iter().map(|(unit, state)| unit_finding(key, app, unit, state));
        return Ok(found.flatten().collect());
    }
    let bus = Bus::new(app.run.bus_timeout.0).map_err(SystemdError::Thread)?;
    let finding = |one: Hindrance| {
        Finding::error(key, format!("{} {}", one.unit, one.why))
            .hint(format!("look at: systemctl cat {}", one.unit))
    };
    Ok(hindrances(&app.run, &bus)?.into_iter().map(finding).collect())
}

fn check_made_units(name: &AppName, app: &AppConfig, own: &Account, findings: &mut Vec<Finding>) {
    let wanted = app.run.transient || app.build_unit || app.hooks_unit;
    if !wanted || !systemd::is_running() || !own.uid.is_root() {
        return;
    }
    if !systemd::has_bus() {
        findings.push(no_bus(name));
        return;
    }
    let asked = Bus::new(app.run.bus_timeout.0).map_err(SystemdError::Thread);
    if let Err(error) = asked.and_then(|bus| bus.ask(|_| async { Ok(()) })) {
        let hint = "look at dbus.service, or set run.transient, build_unit and hooks_unit to false";
        findings.push(Finding::error(format!("app.{name}"), chain(&error)).hint(hint));
    }
}

/// Whether the updater's service may take sockets back from agents. What systemd does not say is
/// found elsewhere.
fn check_sockets(name: &AppName, app: &AppConfig, findings: &mut Vec<Finding>) {
    if app.run.sockets.is_empty() || !systemd::has_bus() {
        return;
    }
    let asked = Bus::new(app.run.bus_timeout.0).map_err(SystemdError::Thread);
    let permitted = asked.and_then(|bus| {
        bus.ask(|systemd| async move { systemd.permits(OWN_SERVICE, TAKING).await })
    });
    if permitted.unwrap_or(true) {
        return;
    }
    let text =
        format!("once its unit was stopped the updater cannot take them from the agent ({TAKING})");
    findings.push(Finding::warning(format!("app.{name}.run.sockets"), text).hint(
        "copy share/swarm/drop-ins/sockets.conf to /etc/systemd/system/updater.service.d, \
                     and run: systemctl daemon-reload",
    ));
}

/// Nothing fails for it: it is as where systemd does not run.
fn no_bus(name: &AppName) -> Finding {
    let text = "systemd cannot be told to make units, because there is no D-Bus: agents, builds and \
                hooks are run by the updater itself, within what confines it";
    let hint = "install the package dbus, or set run.transient, build_unit and hooks_unit to false";
    Finding::warning(format!("app.{name}"), text).hint(hint)
}

fn states(app: &AppConfig) -> Result<Vec<(String, UnitState)>, SystemdError> {
    let bus = Bus::new(app.run.bus_timeout.0).map_err(SystemdError::Thread)?;
    let units = app.run.units.clone();
    bus.ask(move |systemd| async move {
        let mut states = Vec::new();
        for unit in units {
            let state = systemd.state(&unit).await?;
            states.push((unit, state));
        }
        Ok(states)
    })
}

fn unreachable(key: String, error: &SystemdError) -> Finding {
    Finding::error(key, chain(error)).hint("install the package dbus, and look at dbus.service")
}

/// What keeps a unit from being started, if anything does.
fn unit_finding(key: &str, app: &AppConfig, unit: &str, state: &UnitState) -> Option<Finding> {
    let why = state.unusable()?;
    let text = format!("{unit} {why}");
    if state.load != Load::Masked && app.run.unit_files.iter().any(|shipped| shipped == unit) {
        return Some(Finding::note(key, text).hint("a release may ship it"));
    }
    let hint = match state.load {
        Load::Masked => format!("run: systemctl unmask {unit}"),
        _ => format!("look at: systemctl status {unit}"),
    };
    Some(Finding::error(key, text).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(load: &str, unit_files: &[&str]) -> Option<String> {
        let mut app = AppConfig::new("/opt/agent");
        app.run.unit_files = unit_files.iter().map(|name| (*name).to_owned()).collect();
        let state = UnitState { load: load.to_owned().into(), ..UnitState::default() };
        let found = unit_finding("k", &app, "a.service", &state);
        found.map(|finding| format!("{}: {finding}", finding.severity.name()))
    }

    #[test]
    fn a_unit_that_cannot_be_started_is_told_with_what_helps() {
        assert_eq!(said("loaded", &[]), None);
        assert!(said("masked", &["a.service"]).unwrap().contains("systemctl unmask a.service"));
        assert!(
            said("not-found", &[]).unwrap().starts_with("error: k: a.service has no unit file")
        );
        assert!(said("not-found", &["a.service"]).unwrap().starts_with("note: "));
    }

    #[test]
    fn a_directory_is_covered_by_itself_and_by_what_is_above_it() {
        for path in ["/etc/systemd/system", "-/etc/systemd", "+/etc", "/"] {
            assert!(covers(path, UNIT_DIRECTORY), "{path}");
        }
        for path in ["/opt", "/etc/systemd/sys", "-/etc/systemd/system/updater.service.d"] {
            assert!(!covers(path, UNIT_DIRECTORY), "{path}");
        }
    }

    #[test]
    fn units_without_a_systemd_are_told() {
        let (app, mut findings) = (AppConfig::new("/opt/agent"), Vec::new());
        check_units(&"agent".parse().unwrap(), &app, &Account::own(), false, &mut findings);
        assert!(findings[0].message.contains("systemd does not run"), "{findings:?}");
    }
}
