//! What is asked of systemd while the line to it breaks.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::BootedFleet;
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::Status;

/// What anybody on the bus wants to hear.
const LISTENED_FOR: &str = "busctl call org.freedesktop.DBus /org/freedesktop/DBus \
    org.freedesktop.DBus.Debug.Stats GetAllMatchRules";

#[test]
fn a_build_whose_line_to_systemd_breaks_is_seen_to_its_end() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("build", "'auto'")
        .app("build_unit", "true")
        .app("build_timeout", "'60s'");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    let release = building("until test -e /opt/agent/go; do sleep 0.1; done")?;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| host.push(&release)?.result());
        eventually("the updater to follow the build", LONG, || {
            machine.ask(&format!("{LISTENED_FOR} | grep -q updater_2dbuild")).ok()
        })
        .with_context(|| host.journals())?;
        // The next who connects starts it anew.
        machine.ask("systemctl kill --signal=KILL dbus")?;
        eventually("the updater to see that", LONG, || {
            machine.journal("updater").contains("is out of sight").then_some(())
        })
        .with_context(|| host.journals() + &machine.journal("dbus"))?;
        machine.ask("touch /opt/agent/go")?;
        let result = pushing.join().ok().context("it does not panic")?;
        let result = result.with_context(|| host.journals())?;
        ensure!(result.status == Status::Updated, "{result:?}");
        Ok(())
    })
}

fn building(script: &str) -> Result<Release> {
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("build.sh", script)?;
    tree.file("release.toml", "[build]\ncommand = ['sh', 'build.sh']\n")?;
    tree.pack(Packing::Zstd)
}
