//! What an agent was started as is remembered: after the configuration says something else, it is told, and
//! no second one is started beside it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{Release, Setup, Tree, on_each_debian};
use protocol::{AgentState, Status};

const UNIT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n";
const AS_A_PROCESS: &str = "kind = 'process'\n";

on_each_debian!(what_was_started_otherwise_is_told_and_stopped);

fn what_was_started_otherwise_is_told_and_stopped(debian: Debian) -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .run("transient", "true")
        .run("env", "{ AGENT_LISTEN = '0.0.0.0:8765' }");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    for unit in ["agent.service", "other.service"] {
        host.machine.write(&format!("/etc/systemd/system/{unit}"), UNIT, 0o644)?;
    }
    host.machine.add_drop_in("units.conf")?;
    host.machine.ask("systemctl daemon-reload")?;
    updated(host, &Tree::healthy("one")?)?;

    // From a process to a unit, to another unit, and back: an update or a restart brings it about.
    configured(host, "kind = 'systemd'\nunits = ['agent.service']\n", "as a process")?;
    updated(host, &Tree::healthy("two")?)?;
    ensure!(host.machine.show("agent.service", "ActiveState")? == "active", "{}", host.journals());

    configured(host, "kind = 'systemd'\nunits = ['other.service']\n", "as agent.service")?;
    host.machine.ask("updater restart")?;
    ensure!(host.agents()? == 1, "there are two: {}", host.journals());
    ensure!(host.machine.show("other.service", "ActiveState")? == "active", "{}", host.journals());

    configured(host, AS_A_PROCESS, "as other.service")?;
    host.machine.ask("updater stop")?;
    ensure!(host.agents()? == 0, "one runs after its stop: {}", host.journals());
    host.machine.ask("updater start")?;
    updated(host, &Tree::healthy("three")?)?;

    // A key that is gone is a change like any other.
    host.machine.ask("sed -i '/^user = /d' /etc/updater/updater.toml")?;
    restarted(host, "as the user")?;
    host.machine.ask("updater restart")?;
    let warnings = host.app()?.warnings;
    ensure!(warnings.is_empty(), "{warnings:?}\n{}", host.journals());
    Ok(())
}

/// Says how the agent is run from now on, and looks that what runs goes on, is the only one, and is told.
fn configured(host: &Member, lines: &str, told: &str) -> Result<()> {
    let path = "/etc/updater/updater.toml";
    let config = fs::read_to_string(host.machine.path(path))?;
    let (before, section) = config.split_once("[app.agent.run]\n").context("a section")?;
    let is_said = |line: &&str| line.starts_with("kind") || line.starts_with("units");
    let kept: Vec<&str> = section.lines().filter(|line| !is_said(line)).collect();
    let config = format!("{before}[app.agent.run]\n{lines}{}\n", kept.join("\n"));
    host.machine.write(path, config, 0o644)?;
    restarted(host, told)
}

/// A restart of the updater touches no agent, and tells how that was started.
fn restarted(host: &Member, told: &str) -> Result<()> {
    let pid = host.app()?.pid;
    host.machine.ask("systemctl restart updater")?;
    host.answers()?;
    let app = host.app()?;
    ensure!(app.agent == AgentState::Running && app.pid == pid, "{app:?}\n{}", host.journals());
    ensure!(host.agents()? == 1, "there are two: {}", host.journals());
    let warnings = format!("{:?}", app.warnings);
    ensure!(warnings.contains(told), "{warnings}\n{}", host.journals());
    Ok(())
}

fn updated(host: &Member, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    ensure!(host.agents()? == 1, "there are two: {}", host.journals());
    Ok(())
}
