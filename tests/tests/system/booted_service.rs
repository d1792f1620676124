//! The updater as people run it: a unit of systemd, with and without its socket unit.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::BootedFleet;
use fleet_tests::{LONG, Setup, Tree, eventually};

#[test]
fn lesson_19_an_agent_outlives_its_updater_in_the_units_control_group() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    // It said that it is ready: systemd waited for that.
    assert_eq!(machine.show("updater", "ActiveState")?, "active");
    assert!(machine.show("updater", "StatusText")?.contains("web-1"));
    assert_eq!(machine.show("updater", "WatchdogUSec")?, "1min");

    let service = Tree::healthy("service")?;
    member.push(&service)?.result()?;
    let agent = member.app()?.pid;
    ensure!(agent.is_some(), "no agent runs");
    let main = machine.show("updater", "MainPID")?;
    for line in
        ["systemctl restart updater", "systemctl kill --kill-whom=main --signal=KILL updater"]
    {
        let before = machine.show("updater", "MainPID")?;
        machine.shell(line)?.good()?;
        eventually("another updater", LONG, || {
            let now = machine.show("updater", "MainPID").ok()?;
            (now != before && now != "0" && member.health().is_ok()).then_some(())
        })
        .with_context(|| member.journals())?;
        assert_eq!(member.app()?.pid, agent, "{line}");
    }
    assert_ne!(machine.show("updater", "MainPID")?, main);

    // One that hangs is killed by the watchdog, whose minute is too long for a test.
    machine.write(
        "/etc/systemd/system/updater.service.d/watchdog.conf",
        "[Service]\nWatchdogSec=3s\n",
        0o644,
    )?;
    machine.shell("systemctl daemon-reload && systemctl restart updater")?.good()?;
    machine.shell("kill -STOP $(systemctl show --value -p MainPID updater)")?.good()?;
    eventually("the watchdog to bite", LONG, || {
        (machine.show("updater", "NRestarts").ok()? != "0" && member.health().is_ok()).then_some(())
    })
    .with_context(|| member.journals())?;
    assert_eq!(member.app()?.pid, agent);
    Ok(())
}

#[test]
fn with_the_socket_unit_no_connection_is_refused() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    let enable = "systemctl stop updater && systemctl enable --now updater.socket";
    machine.shell(enable)?.good()?;
    // Nobody runs, and the first who knocks is answered.
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    member.health()?;
    let address = (machine.address, 8766);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let knocking = scope.spawn(|| {
            let mut connections = 0_u32;
            while !over.load(Ordering::SeqCst) {
                TcpStream::connect(address)?;
                connections += 1;
            }
            anyhow::Ok(connections)
        });
        let restarted = machine.run(["systemctl", "restart", "updater"]);
        over.store(true, Ordering::SeqCst);
        restarted?.good()?;
        let connections = knocking.join().ok().context("it does not panic")??;
        ensure!(connections > 0, "nobody knocked");
        anyhow::Ok(())
    })
    .with_context(|| member.journals())?;
    member.answers()
}
