//! The master is killed in a push, or its connection is cut: it asks the host, and says the truth.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Direction, Fleet, Host, LONG, Proxy, Setup, Tree, eventually};
use protocol::Digest;

/// Cuts of each way, spread over all the bytes of a push.
const CUTS: u64 = 5;

fn message(host: &Host) -> Option<String> {
    Some(host.ask_agent("/health").ok()?.get("message")?.as_str()?.to_owned())
}

/// Looks whether the host runs this, applied once, and the master knows it.
fn has_arrived(fleet: &Fleet, name: &str) -> Result<()> {
    let host = &fleet.hosts[0];
    host.rests()?;
    ensure!(message(host).as_deref() == Some(name), "it runs {:?}, not {name}", message(host));
    let active = host.app()?.active.context("a release is active")?.digest;
    let applied = updates_to(host, &active);
    ensure!(applied == 1, "{name} was applied {applied} times");
    fleet.swarm(["status"])?.good()?;
    Ok(())
}

fn updates_to(host: &Host, digest: &Digest) -> usize {
    let updated = |line: &&serde_json::Value| {
        line["outcome"] == "updated" && line["to"] == digest.to_string()
    };
    host.history().iter().filter(updated).count()
}

#[test]
fn lesson_37_a_connection_that_is_cut_at_any_byte_is_asked_about() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.enroll("web-1", &Setup::default())?;
    let host = &fleet.hosts[0];
    let behind = fleet.sandbox().free_port()?;
    let config = fs::read_to_string(host.config())?;
    fs::write(host.config(), config.replace(&host.address.to_string(), &behind.to_string()))?;
    let proxy = Proxy::start(host.address, behind)?;
    host.start()?;

    let before = [proxy.passed(Direction::ToHost), proxy.passed(Direction::FromHost)];
    fleet.update(&Tree::saying("first")?, &[])?.good()?;
    let whole = [
        proxy.passed(Direction::ToHost) - before[0],
        proxy.passed(Direction::FromHost) - before[1],
    ];
    for (way, bytes) in [Direction::ToHost, Direction::FromHost].into_iter().zip(whole) {
        for cut in 0..CUTS {
            let name = format!("{way:?} {cut}");
            let tree = Tree::saying(&name)?;
            proxy.cut(way, bytes * cut / CUTS);
            let told = fleet.update(&tree, &[])?;
            ensure!(!proxy.cancel_cut(), "nothing was cut: {told:?}");
            let outcome = told.row("web-1")?["outcome"].clone();
            host.idle()?;
            if outcome == "updated" {
                has_arrived(&fleet, &name).with_context(|| format!("cut at {name}"))?;
            }
            // Asked for again, it is there or is brought there, once.
            fleet.update(&tree, &[])?.good().with_context(|| format!("after {name}: {told:?}"))?;
            has_arrived(&fleet, &name).with_context(|| format!("after {name}"))?;
        }
    }

    // The answer alone is lost: the host has finished, and says so when it is asked.
    let tree = Tree::saying("finished")?;
    let lines = host.history().len() + 1;
    proxy.cut_when_written(Direction::FromHost, &host.state().join("history.jsonl"), lines);
    let told = fleet.update(&tree, &[])?.good()?;
    ensure!(!proxy.cancel_cut(), "nothing was cut: {told:?}");
    ensure!(told.row("web-1")?["outcome"] == "updated", "{told:?}");
    has_arrived(&fleet, "finished")
}

#[test]
fn a_master_that_is_killed_anywhere_in_a_push_finds_the_truth_by_asking() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = &fleet.hosts[0];
    // After every line that it prints, until it prints all of them.
    for lines in 1.. {
        let name = format!("killed after {lines}");
        let tree = Tree::saying(&name)?;
        let mut push = fleet.command(["--json", "update", "--all", "--root"])?;
        let mut push = push.arg(tree.path()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(push.stdout.take().context("its output")?);
        let printed = output.lines().take(lines).map_while(Result::ok).count();
        push.kill()?;
        push.wait()?;
        // What was sent may reach the host only after its master is gone.
        eventually("the host to rest", LONG, || host.rests().ok()).with_context(|| name.clone())?;
        // The same command goes on with what was left half way.
        fleet.update(&tree, &[])?.good().with_context(|| name.clone())?;
        has_arrived(&fleet, &name)?;
        if printed < lines {
            return Ok(());
        }
    }
    Ok(())
}
