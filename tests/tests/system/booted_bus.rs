//! What is asked of systemd while the line to it breaks, or while it does not answer.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Answer, Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Status};

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

/// The units of builds that systemd knows.
fn builds(host: &Member) -> Result<String> {
    host.machine.ask("systemctl list-units --plain --no-legend 'updater-build-*'")
}

fn building(script: &str) -> Result<Release> {
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("build.sh", script)?;
    tree.file("release.toml", "[build]\ncommand = ['sh', 'build.sh']\n")?;
    tree.pack(Packing::Zstd)
}

/// What was ordered, and begins when nobody waits for it any more, is ended.
#[test]
fn what_systemd_starts_too_late_does_not_go_on() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("build", "'auto'")
        .app("build_unit", "true")
        .run("transient", "true")
        .run("start_timeout", "'5s'")
        .run("bus_timeout", "'60s'");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let problem = while_systemd_hangs(host, &building("exec sleep 1000")?)?.problem()?;
    assert_eq!(problem.code, Code::BuildFailed, "{problem:?}\n{}", host.journals());
    assert_eq!(builds(host)?, "", "the build goes on");

    // The runner's line has to be open before.
    let crash = Behaviour { crash: Some("no".to_owned()), ..Behaviour::default() };
    assert_eq!(host.push(&Tree::release(&crash)?)?.problem()?.code, Code::RolledBack);
    let release = Tree::healthy("late")?;
    let problem = while_systemd_hangs(host, &release)?.problem()?;
    ensure!(problem.detail.contains("within 5s"), "{problem:?}\n{}", host.journals());
    let agents = "systemctl list-units --plain --no-legend 'updater-agent-*'";
    assert_eq!(host.machine.ask(agents)?, "", "the agent goes on");
    let result = host.push(&release)?.result().with_context(|| host.journals())?;
    assert_eq!(result.status, Status::Updated);
    host.runs(&release.digest)
}

/// Pushes a release, and systemd takes up what it was asked only after that was given up.
fn while_systemd_hangs(host: &Member, release: &Release) -> Result<Answer> {
    let (machine, group) = (&host.machine, "/sys/fs/cgroup/init.scope");
    let given_up = || machine.journal("updater").matches("is ended: failed to start").count();
    let before = given_up();
    machine.ask(&format!("echo 1 > {group}/cgroup.freeze"))?;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| host.push(release));
        let seen = eventually("the updater to give up", LONG, || {
            (pushing.is_finished() || given_up() > before).then_some(())
        });
        machine.ask(&format!("echo 0 > {group}/cgroup.freeze"))?;
        seen.with_context(|| host.journals())?;
        pushing.join().ok().context("it does not panic")?
    })
}
