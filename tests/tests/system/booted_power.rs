//! The power of a host goes in the middle of an update, and its boot finishes what was begun before
//! the agent is started.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{AppHealth, Digest, Outcome, Phase};

/// Pushes a release, and cuts the power as soon as `there` says so.
fn cut(member: &Member, push: impl FnOnce() + Send, there: impl Fn() -> bool) -> Result<()> {
    std::thread::scope(|scope| {
        // Nobody answers it to the end.
        scope.spawn(push);
        eventually("the moment to cut the power", LONG, || there().then_some(()))
            .with_context(|| member.journals())?;
        member.machine.cut_power()
    })?;
    member.machine.boot()
}

fn cut_in(member: &Member, phase: Phase, release: &Release) -> Result<AppHealth> {
    let in_phase = || member.app().is_ok_and(|app| app.state == phase);
    cut(member, || drop(member.push(release)), in_phase)?;
    eventually("the transaction to be finished", LONG * 2, || {
        member.app().ok().filter(|app| app.state == Phase::Idle && app.pid.is_some())
    })
    .with_context(|| member.journals())
}

fn ended(app: &AppHealth) -> Option<(Outcome, Option<Digest>)> {
    app.last.as_ref().map(|last| (last.outcome, last.to))
}

/// How often an agent was started since the last boot.
fn starts(member: &Member) -> Result<usize> {
    let log = member.machine.shell("journalctl --boot --unit updater --output cat")?.stdout;
    Ok(log.matches("the agent: started").count())
}

#[test]
fn lesson_12_a_boot_finishes_what_a_power_cut_broke_off() -> Result<()> {
    let setup = Setup::default().health("watch", "'3s'").health("attempts", "20");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let first = Tree::healthy("first")?;
    member.push(&first)?.result()?;

    // The new release is good: the boot finishes its proof.
    let slow = Behaviour { slow_start_ms: 1000, message: "slow".into(), ..Behaviour::default() };
    let slow = Tree::release(&slow)?;
    let app = cut_in(member, Phase::Probing, &slow)?;
    assert_eq!(ended(&app), Some((Outcome::Updated, Some(slow.digest))), "{}", member.journals());
    // Only by the transaction, and not by the supervisor before it.
    assert_eq!(starts(member)?, 0, "{}", member.journals());

    // It is bad: the boot reverses it, and the old one is what runs.
    let bad = Behaviour { status: Some(500), message: "bad".into(), ..Behaviour::default() };
    let bad = Tree::release(&bad)?;
    let app = cut_in(member, Phase::Probing, &bad)?;
    assert_eq!(
        ended(&app),
        Some((Outcome::RolledBack, Some(slow.digest))),
        "{}",
        member.journals()
    );
    ensure!(app.active.is_some_and(|active| active.digest == slow.digest), "not what runs");

    // And without a transaction the boot starts the agent.
    member.machine.cut_power()?;
    member.machine.boot()?;
    eventually("the agent to run", LONG, || member.app().ok()?.pid)
        .with_context(|| member.journals())?;

    // The updater's own update: nothing was switched yet, so nothing has happened.
    let before = member.health()?.digest;
    let tree = Tree::updater("hesitant")?;
    std::fs::rename(tree.path().join("bin/updater"), tree.path().join("bin/real"))?;
    tree.program("bin/updater", "#!/bin/sh\nexec sleep 1000\n")?;
    let hesitant = tree.pack(Packing::Zstd)?;
    let asked = || {
        let waiting = member.machine.shell("pgrep --full 'sleep 1000' || pidof sleep");
        waiting.is_ok_and(|output| output.code == 0)
    };
    cut(member, || drop(member.push_self(&hesitant)), asked)?;
    member.is_now(&before)?;
    let last = eventually("the history to say so", LONG, || member.own_history().ok()?.pop())?;
    assert_eq!(last.outcome, Outcome::Interrupted, "{last:?}");
    Ok(())
}
