//! Which updater a unit runs when its releases are no good, or the package has another one: the
//! rescue goes back to the release before, or to the package's program. One that hangs is in `booted_package`.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{LONG, Packing, Release, Setup, Tree, eventually, on_each_debian};
use protocol::{CallerKind, Code, Digest, Outcome, Status};

on_each_debian!(
    lesson_21_an_updater_that_keeps_dying_is_put_back,
    a_configuration_that_no_updater_could_use_is_no_release_s_fault,
    lesson_21_without_a_release_before_the_package_is_gone_back_to,
);

fn lesson_21_an_updater_that_keeps_dying_is_put_back(debian: Debian) -> Result<()> {
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let service = Tree::healthy("service")?;
    member.push(&service)?.result()?;
    let (before, agent) = (member.health()?.digest, member.app()?.pid);

    // It takes over, and no later start of it succeeds.
    let doomed = doomed("doomed")?;
    replaced(member, &doomed)?;
    member.kill_updater()?;

    member.is_now(&before)?;
    was_rescued(member, &doomed.digest, Some(before))?;
    assert_eq!(member.app()?.pid, agent, "the agent was lost");
    assert!(!member.machine.path("/opt/updater/releases/rescued").is_symlink());
    // Four deaths of the new one, after the one that was ordered.
    assert_eq!(deaths(member, 3), 4, "{}", member.journals());

    // The operator sees it where they look, and the release is not taken again.
    let left = format!("rescued from {}", doomed.digest.short());
    let checked = fleet.swarm(["check"])?;
    ensure!(checked.code == 1 && checked.stdout.contains(&left), "{checked:?}");
    let log = fleet.swarm(["log", "web-1"])?.good()?.stdout;
    ensure!(log.contains("by its rescue"), "{log}");
    let again = member.push_self(&doomed)?.problem()?;
    assert_eq!(again.code, Code::Quarantined, "{again:?}");
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    replaced(member, &next)?;
    let checked = fleet.swarm(["check"])?;
    ensure!(!checked.stdout.contains("rescued"), "{checked:?}");
    Ok(())
}

fn a_configuration_that_no_updater_could_use_is_no_release_s_fault(debian: Debian) -> Result<()> {
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    replaced(member, &next)?;
    let config = fs::read_to_string(member.machine.path("/etc/updater/updater.toml"))?;
    let broken = config.replace("[app.agent]", "[app.agent]\nuser = 'nobody-of-this-name'");
    ensure!(broken != config, "{config}");
    member.machine.write("/etc/updater/updater.toml", broken, 0o644)?;
    let starts = starts(member)?;
    member.kill_updater()?;
    eventually("the rescue to wait", LONG, || {
        member.machine.journal("updater").contains("Trying again in 30 seconds").then_some(())
    })
    .with_context(|| member.journals())?;
    // One start that fails, and the one that waits: no loop.
    ensure!(starts_since(member, starts)? <= 2, "{}", member.journals());
    member.machine.write("/etc/updater/updater.toml", config, 0o644)?;
    // An operator need not wait with it, and meets no limit however often they restart it.
    for _ in 0..12 {
        member.machine.ask("systemctl restart updater")?;
    }
    member.is_now(&next.digest)?;
    assert!(member.machine.path("/opt/updater/releases/active").is_symlink());
    Ok(())
}

fn lesson_21_without_a_release_before_the_package_is_gone_back_to(debian: Debian) -> Result<()> {
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    member.push(&Tree::healthy("service")?)?.result()?;
    let (packaged, agent) = (member.health()?.digest, member.app()?.pid);
    let doomed = doomed("doomed")?;
    replaced(member, &doomed)?;
    // As where the release before had failed.
    machine.ask("rm /opt/updater/releases/prev")?;
    member.kill_updater()?;

    member.is_now(&packaged)?;
    was_rescued(member, &doomed.digest, None)?;
    machine.ask("test ! -L /opt/updater/releases/active && test ! -L /opt/updater/current")?;
    assert_eq!(member.app()?.pid, agent, "the agent was lost");
    member.rests()?;
    // With the next order what runs is a release again, to be gone back to.
    let broken = Tree::updater_behind("broken", "exit 1")?;
    assert_eq!(member.push_self(&broken)?.problem()?.code, Code::SelfUpdateFailed);
    member.rests()?;
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    replaced(member, &next)?;
    let prev = machine.ask("readlink /opt/updater/releases/prev")?;
    assert_eq!(prev, format!("store/{}", &packaged.hex()[..12]));
    machine.cut_power()?;
    machine.boot()?;
    member.is_now(&next.digest)?;
    member.rests()
}

#[test]
fn a_newer_package_is_followed_until_a_release_was_pushed() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let packaged = member.health()?.digest;
    // An order that comes to nothing leaves the package's program as a release.
    let broken = Tree::updater_behind("broken", "exit 1")?;
    assert_eq!(member.push_self(&broken)?.problem()?.code, Code::SelfUpdateFailed);
    assert!(member.machine.path("/opt/updater/releases/active").is_symlink());
    let second = upgraded(member, "2")?;
    ensure!(second != packaged, "it is the same program");
    member.is_now(&second)?;

    let pushed = Tree::updater("pushed")?.pack(Packing::Zstd)?;
    replaced(member, &pushed)?;
    upgraded(member, "3")?;
    member.is_now(&pushed.digest)?;
    // Nor do two that keep dying lead any further back than to what was proven.
    for note in ["doomed", "doomed too"] {
        let doomed = doomed(note)?;
        replaced(member, &doomed)?;
        member.kill_updater()?;
        member.is_now(&pushed.digest)?;
        was_rescued(member, &doomed.digest, Some(pushed.digest))?;
    }
    member.rests()
}

/// An updater that takes over, and of which no later start succeeds.
fn doomed(note: &str) -> Result<Release> {
    Tree::updater_behind(note, &later_start("exit 3"))
}

/// A line of shell that is run at each start but the first, in which it takes over.
fn later_start(line: &str) -> String {
    format!("[ \"$1\" = check ] || [ -n \"$UPDATER_CANDIDATE\" ] || {line}")
}

/// How often the updater ended with this status, as systemd tells it.
fn deaths(member: &Member, status: u8) -> usize {
    let ended = format!("status={status}/");
    member.machine.journal("updater").lines().filter(|line| line.contains(&ended)).count()
}

/// How often the unit was started by systemd itself.
fn starts(member: &Member) -> Result<u32> {
    Ok(member.machine.show("updater", "NRestarts")?.parse()?)
}

fn starts_since(member: &Member, before: u32) -> Result<u32> {
    Ok(starts(member)? - before)
}

/// Updates the updater, and waits until the new one is the unit's.
fn replaced(member: &Member, release: &Release) -> Result<()> {
    let main = member.main_process()?;
    let status = member.push_self(release)?.result()?.status;
    ensure!(status == Status::SelfUpdateQueued, "{status:?}");
    member.is_now(&release.digest)?;
    member.is_another(&main)
}

/// Installs another program as a package does, and says what it is.
fn upgraded(member: &Member, version: &str) -> Result<Digest> {
    // What comes after the end of a program is never looked at.
    let append = format!("cp /usr/bin/updater /tmp/updater && printf {version} >>/tmp/updater");
    member.machine.ask(&format!("{append} && mv /tmp/updater /usr/bin/updater"))?;
    member.machine.ask("systemctl restart updater")?;
    let sum = member.machine.ask("sha256sum /usr/bin/updater | cut -c 1-64")?;
    Ok(format!("sha256:{sum}").parse()?)
}

/// Waits until the updater has written down that the rescue left a release.
fn was_rescued(member: &Member, left: &Digest, to: Option<Digest>) -> Result<()> {
    let last = eventually("the rescue to be written down", LONG, || {
        member.own_history().ok()?.pop().filter(|last| last.caller == CallerKind::Rescue)
    })
    .with_context(|| member.journals())?;
    let told = (last.outcome, last.from, last.to);
    ensure!(told == (Outcome::RolledBack, Some(*left), to), "{last:?}");
    Ok(())
}
