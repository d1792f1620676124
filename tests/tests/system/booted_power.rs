//! The power of a host goes in the middle of an update, and its boot finishes what was begun before
//! the agent is started.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{AppHealth, Digest, Outcome, Phase};

/// The agents that are pushed here wait for this file.
const GATE: &str = "/opt/gate";

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

/// Cuts the power while a release is being proven, which answers only after the boot.
fn cut_in_proof(member: &Member, release: &Release) -> Result<AppHealth> {
    let proving = || member.app().is_ok_and(|app| app.state == Phase::Probing);
    member.machine.ask(&format!("rm -f {GATE}"))?;
    cut(member, || drop(member.push(release)), proving)?;
    member.machine.ask(&format!("touch {GATE}"))?;
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
    let Some(fleet) = BootedFleet::of(1, &Setup::default().patient())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let first = Tree::healthy("first")?;
    member.push(&first)?.result()?;

    // The new release is good: the boot finishes its proof.
    let waits = Behaviour { waits_for: Some(GATE.into()), ..Behaviour::default() };
    let slow = Tree::release(&Behaviour { message: "slow".into(), ..waits.clone() })?;
    let app = cut_in_proof(member, &slow)?;
    assert_eq!(ended(&app), Some((Outcome::Updated, Some(slow.digest))), "{}", member.journals());
    // Only by the transaction, and not by the supervisor before it.
    assert_eq!(starts(member)?, 0, "{}", member.journals());

    // It is bad: the boot reverses it, and the old one is what runs.
    let bad = Tree::release(&Behaviour { status: Some(500), ..waits })?;
    let app = cut_in_proof(member, &bad)?;
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
