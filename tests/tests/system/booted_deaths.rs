//! How an agent died that is a unit of its own is told each time, however soon it died.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{LONG, Packing, Setup, Tree, eventually};
use protocol::{Code, Status};

/// Enough to meet one that dies while it is being looked at.
const CRASHES: usize = 10;

#[test]
fn how_the_unit_of_an_agent_died_is_told_each_time() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .run("transient", "true")
        .run("env", "{ AGENT_LISTEN = '0.0.0.0:8765' }");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = fleet.members.first().context("a host")?;
    let good = Tree::healthy("good")?;
    ensure!(host.push(&good)?.result()?.status == Status::Updated, "{}", host.journals());
    for number in 0..CRASHES {
        // Also one that ends well is not to end, and is forgotten by systemd at once.
        let status = if number % 2 == 0 { 3 } else { 0 };
        let tree = Tree::empty()?;
        let script = format!("#!/bin/sh\nsleep 0.0{number}\nexit {status}\n");
        tree.program("bin/agent", &script)?;
        let problem = host.push(&tree.pack(Packing::Zstd)?)?.problem()?;
        ensure!(problem.code == Code::RolledBack, "{problem:?}\n{}", host.journals());
        let told = problem.detail.contains(&format!("exited with status {status}"));
        ensure!(told, "{problem:?}\n{}", host.journals());
    }
    // Nothing of them is kept, and another updater learns it as well.
    let units = "systemctl list-units --all --plain --no-legend 'updater-agent-*' | wc -l";
    assert_eq!(host.machine.ask(units)?, "1", "{}", host.journals());
    host.runs(&good.digest)?;
    host.machine.ask("systemctl restart updater")?;
    host.answers()?;
    let pid = host.app()?.pid.context("an agent")?;
    host.machine.ask(&format!("kill -TERM {pid}"))?;
    let died = eventually("the death to be told", LONG, || host.app().ok()?.died);
    let died = died.with_context(|| host.journals())?;
    ensure!(died.how.contains("killed by SIGTERM"), "{died:?}\n{}", host.journals());
    host.runs(&good.digest)?;
    eventually("one unit to be left", LONG, || {
        (host.machine.ask(units).ok()? == "1").then_some(())
    })
    .with_context(|| host.journals())?;
    a_port_that_it_may_not_open_is_no_fault_of_the_release(host)
}

fn a_port_that_it_may_not_open_is_no_fault_of_the_release(host: &Member) -> Result<()> {
    let machine = &host.machine;
    // As the first release of a host, which no other one has shown to be well.
    machine.ask(
        "updater stop; systemctl stop updater
         rm -rf /opt/agent/* /var/lib/updater/apps/agent
         sed -i -E 's#//[0-9.]+:8765#//127.0.0.1:80#; s/:8765/:80/' /etc/updater/updater.toml
         systemctl start updater",
    )?;
    host.answers()?;
    let checked = machine.ask("updater check 2>&1")?;
    ensure!(checked.contains("NET_BIND_SERVICE"), "{checked}");
    let release = Tree::healthy("at a low port")?;
    let problem = host.push(&release)?.problem()?;
    ensure!(problem.host_fault && problem.detail.contains("AmbientCapabilities"), "{problem:?}");
    machine.write(
        "/etc/systemd/system/updater-agent-.service.d/port.conf",
        "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n",
        0o644,
    )?;
    machine.ask("systemctl daemon-reload")?;
    let checked = machine.ask("updater check 2>&1")?;
    ensure!(!checked.contains("NET_BIND_SERVICE"), "{checked}");
    ensure!(host.push(&release)?.result()?.status == Status::Updated, "{}", host.journals());
    Ok(())
}
