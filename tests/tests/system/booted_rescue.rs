//! Which updater a unit runs when its releases are no good, or the package has another one: the
//! rescue unit goes back to the release before, or to the package's program.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{CallerKind, Code, Digest, Outcome, Status};

#[test]
fn lesson_21_an_updater_that_keeps_dying_is_put_back_by_the_rescue_unit() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let service = Tree::healthy("service")?;
    member.push(&service)?.result()?;
    let (before, agent) = (member.health()?.digest, member.app()?.pid);
    let main = member.main_process()?;

    // It takes over, and no later start of it succeeds.
    let doomed = doomed("doomed")?;
    assert_eq!(member.push_self(&doomed)?.result()?.status, Status::SelfUpdateQueued);
    member.is_now(&doomed.digest)?;
    member.is_another(&main)?;
    member.kill_updater()?;

    member.is_now(&before)?;
    was_rescued(member, &doomed.digest, Some(before))?;
    assert_eq!(member.app()?.pid, agent, "the agent was lost");
    assert!(!member.machine.path("/opt/updater/releases/rescued").is_symlink());
    member.needs_no_rescue()?;

    // A configuration that no updater could use, or a user that is not there yet, is nobody's release's
    // fault. The rescue waits, and does not touch what is installed.
    let config = fs::read_to_string(member.machine.path("/etc/updater/updater.toml"))?;
    let broken = config.replace("[app.agent]", "[app.agent]\nuser = 'nobody-of-this-name'");
    ensure!(broken != config, "{config}");
    member.machine.write("/etc/updater/updater.toml", broken, 0o644)?;
    member.kill_updater()?;
    eventually("the rescue to wait", LONG, || {
        member
            .machine
            .journal("updater-rescue")
            .contains("Trying again in 30 seconds")
            .then_some(())
    })
    .with_context(|| member.journals())?;
    member.machine.write("/etc/updater/updater.toml", config, 0o644)?;
    // A person need not wait with it.
    member.machine.shell("systemctl reset-failed updater; systemctl restart updater")?.good()?;
    member.is_now(&before)?;
    member.needs_no_rescue()?;
    assert!(member.machine.path("/opt/updater/releases/active").is_symlink());
    Ok(())
}

#[test]
fn lesson_21_without_a_release_before_the_package_is_gone_back_to() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
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
    member.needs_no_rescue()?;
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
        member.needs_no_rescue()?;
    }
    member.rests()
}

/// An updater that takes over, and of which no later start succeeds.
fn doomed(note: &str) -> Result<Release> {
    Tree::updater_behind(note, "[ \"$1\" = check ] || [ -n \"$UPDATER_CANDIDATE\" ] || exit 3")
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
