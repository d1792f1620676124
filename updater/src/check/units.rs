//! Units, and the systemd that is to start them.

use std::path::Path;

use common::chain;
use nix::unistd::{AccessFlags, access};
use protocol::AppName;

use crate::config::{AppConfig, Config, Finding, RunnerKind, Strategy};
use crate::runner::{HandoverObstacle, handover_obstacles, none_reloads, none_stays};
use crate::systemd::{
    Bus, BusConnection, Load, OWN_SERVICE, Systemd, SystemdError, UNIT_DIRECTORY, UnitState,
    is_running,
};

use super::account::Account;
use super::low_ports;
use crate::sys::control_group::ControlGroupError;

/// The system call that sockets of a running agent are taken with.
const TAKING: &str = "pidfd_getfd";

pub(super) fn check(
    config: &Config,
    own: &Account,
    systemd: &BusConnection,
    findings: &mut Vec<Finding>,
) {
    for (name, app) in &config.apps {
        findings.extend(unbounded(name, app, systemd.makes_units()));
        let bus = systemd.bus(app.run.bus_timeout.0);
        match app.run.kind {
            RunnerKind::Systemd => check_units(name, app, own, &bus, is_running(), findings),
            RunnerKind::Process if systemd.has_bus() => {
                check_made_units(name, app, own, &bus, findings);
                check_sockets(name, app, &bus, findings);
                low_ports::check(name, app, Some(&bus), systemd.makes_units(), findings);
            }
            RunnerKind::Process => {
                low_ports::check(name, app, None, false, findings);
                if makes_units(app, own) {
                    findings.push(no_bus(name));
                }
            }
        }
    }
}

fn check_units(
    name: &AppName,
    app: &AppConfig,
    own: &Account,
    bus: &Bus,
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
    if access(Path::new(UNIT_DIRECTORY), AccessFlags::W_OK).is_err() || !service_may_write(bus) {
        findings.push(
            Finding::error(key("kind"), format!("the updater cannot write {UNIT_DIRECTORY}")).hint(
                "if the drop-in is not there yet: install -D -m 644 -t /etc/systemd/system/updater.service.d \
                     /usr/share/swarm/drop-ins/units.conf && systemctl daemon-reload && systemctl restart updater",
            ),
        );
    }
    match look(app, bus, &key("units")) {
        Err(error) => findings.push(unreachable(key("kind"), &error)),
        Ok(found) => findings.extend(found),
    }
}

/// That what all of an agent may have is not held here: neither systemd makes a unit or a scope of it, nor can the
/// updater make a control group itself.
fn unbounded(name: &AppName, app: &AppConfig, makes_units: bool) -> Option<Finding> {
    let limits = app.run.group_limits();
    if makes_units || limits.are_none() || app.run.kind == RunnerKind::Systemd {
        return None;
    }
    let error = limits.directories("updater").err()?;
    let key = if limits.tasks.is_some() { "tasks" } else { "memory" };
    Some(not_held(format!("app.{name}.run.{key}"), &error))
}

fn not_held(key: String, why: &ControlGroupError) -> Finding {
    let text = format!("does not bound the agent on this machine: failed to {}", chain(why));
    let hint = "that takes systemd with D-Bus and an updater that is root, or control groups that it may \
                make below its own";
    Finding::warning(key, text).hint(hint)
}

/// Whether the updater's service may write unit files. The process that checks may not be confined as that
/// is. What systemd does not say is found elsewhere.
fn service_may_write(bus: &Bus) -> bool {
    let asked = bus.ask(|systemd| async move { systemd.writable(OWN_SERVICE).await });
    let paths = asked.unwrap_or_default();
    paths.is_none_or(|paths| paths.iter().any(|path| covers(path, UNIT_DIRECTORY)))
}

/// Whether a path of systemd's, which may begin with a sign, is another one or above it.
fn covers(path: &str, other: &str) -> bool {
    Path::new(other).starts_with(path.trim_start_matches(['-', '+']))
}

fn look(app: &AppConfig, bus: &Bus, key: &str) -> Result<Vec<Finding>, SystemdError> {
    if app.run.strategy != Strategy::Handover {
        let units = app.run.units.clone();
        let seen = bus.ask(move |systemd| async move { seen(&systemd, units).await })?;
        let found = seen.iter().filter_map(|(unit, state, _)| unit_finding(key, app, unit, state));
        let states = seen.iter().map(|(unit, state, _)| (unit.as_str(), state));
        let reloads = app.run.strategy == Strategy::Reload && app.run.reload.is_none();
        let cannot = none_reloads(states.clone()).filter(|_| reloads);
        let found = found.chain(cannot.map(|why| Finding::error(key, why)));
        let found = found.chain(none_stays(states).map(|why| Finding::error(key, why)));
        return Ok(found.chain(runs_elsewhere(key, app, &seen)).collect());
    }
    let finding = |one: HandoverObstacle| {
        Finding::error(key, format!("{} {}", one.unit, one.why))
            .hint(format!("look at: systemctl cat {}", one.unit))
    };
    Ok(handover_obstacles(&app.run, bus)?.into_iter().map(finding).collect())
}

/// A unit, how it stands, and what it runs.
type Seen = (String, UnitState, Vec<String>);

async fn seen(systemd: &Systemd, units: Vec<String>) -> Result<Vec<Seen>, SystemdError> {
    let mut seen = Vec::new();
    for (unit, state) in systemd.states(units).await? {
        let is_service = state.load == Load::Loaded && unit.ends_with(".service");
        let runs = if is_service { systemd.what_it_runs(&unit).await? } else { Vec::new() };
        seen.push((unit, state, runs));
    }
    Ok(seen)
}

/// That nothing of the releases is in what the services run: whatever is activated, the same runs on, and repeats
/// the digest that its unit gives it.
fn runs_elsewhere(key: &str, app: &AppConfig, seen: &[Seen]) -> Option<Finding> {
    let services: Vec<&Seen> = seen.iter().filter(|(.., runs)| !runs.is_empty()).collect();
    let releases = app.install_dir.display().to_string();
    let concerns = |(.., runs): &&Seen| runs.iter().any(|text| text.contains(&releases));
    if services.is_empty() || services.iter().any(concerns) {
        return None;
    }
    let names: Vec<&str> = services.iter().map(|(unit, ..)| unit.as_str()).collect();
    let text = format!(
        "no command, WorkingDirectory= or RootDirectory= of {} lies in {releases}: they may run the same \
         program whatever release is active",
        names.join(", ")
    );
    let hint = format!("begin ExecStart= with {releases}/current/");
    Some(Finding::warning(key, text).hint(hint))
}

/// Whether units are to be made for an app that has none of its own.
fn makes_units(app: &AppConfig, own: &Account) -> bool {
    let wanted = app.run.transient || app.build_unit || app.hooks_unit;
    wanted && is_running() && own.uid.is_root()
}

fn check_made_units(
    name: &AppName,
    app: &AppConfig,
    own: &Account,
    bus: &Bus,
    findings: &mut Vec<Finding>,
) {
    if !makes_units(app, own) {
        return;
    }
    if let Err(error) = bus.ask(|_| async { Ok(()) }) {
        let hint = "look at dbus.service, or set run.transient, build_unit and hooks_unit to false";
        findings.push(Finding::error(format!("app.{name}"), chain(&error)).hint(hint));
    }
}

/// Whether the updater's service may take sockets back from agents. What systemd does not say is
/// found elsewhere.
fn check_sockets(name: &AppName, app: &AppConfig, bus: &Bus, findings: &mut Vec<Finding>) {
    if app.run.sockets.is_empty() {
        return;
    }
    let permitted = bus.ask(|systemd| async move { systemd.permits(OWN_SERVICE, TAKING).await });
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

fn unreachable(key: String, error: &SystemdError) -> Finding {
    Finding::error(key, chain(error)).hint("install the package dbus, and look at dbus.service")
}

/// What keeps a unit from being started, if anything does.
fn unit_finding(key: &str, app: &AppConfig, unit: &str, state: &UnitState) -> Option<Finding> {
    let why = state.unusable()?;
    let text = format!("{unit} {why}");
    if state.load != Load::Masked && app.run.unit_files.iter().any(|shipped| shipped == unit) {
        return Some(Finding::note(
            key,
            format!("{text}, and is started for releases that ship it"),
        ));
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
        found.map(|finding| format!("{}: {finding}", finding.severity.into_str()))
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
    fn limits_that_nothing_holds_on_this_machine_are_told() {
        let said = not_held("k".to_owned(), &ControlGroupError::NoController("pids")).to_string();
        assert!(said.starts_with("k: does not bound the agent on this machine: failed to find a "));
        // Where systemd makes a scope, or nothing is bounded, there is nothing to say.
        let (name, mut app) = ("agent".parse().unwrap(), AppConfig::new("/opt/agent"));
        assert_eq!(unbounded(&name, &app, false), None);
        app.run.tasks = Some(64);
        assert_eq!(unbounded(&name, &app, true), None);
    }

    #[test]
    fn a_unit_that_runs_something_else_is_told() {
        let app = AppConfig::new("/opt/agent");
        let runs = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            [("a.service".to_owned(), UnitState::default(), words)]
        };
        let told = |words: &[&str]| runs_elsewhere("k", &app, &runs(words));
        let said = told(&["", "", "/usr/local/lib/old/bin/agent"]).unwrap().to_string();
        assert!(said.contains("a.service lies in /opt/agent"), "{said}");
        assert_eq!(told(&["", "/opt/agent/current", "/usr/bin/python3", "-m", "agent"]), None);
        assert_eq!(told(&["", "", "/opt/agent/current/bin/agent"]), None);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn units_without_a_systemd_are_told() {
        let (app, mut findings) = (AppConfig::new("/opt/agent"), Vec::new());
        let bus = BusConnection::default().bus(app.run.bus_timeout.0);
        check_units(&"agent".parse().unwrap(), &app, &Account::own(), &bus, false, &mut findings);
        assert!(findings[0].message.contains("systemd does not run"), "{findings:?}");
    }
}
