//! Rollouts of twelve hosts: canaries, the breaker and its answers, hosts in trouble.

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Fleet, Output, Setup, Tree, wording};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use serde_json::Value;

/// All hosts of a fleet. By name, `web-10` comes before `web-2`.
const HOSTS: usize = 12;

/// A fleet in which the agents of these hosts end at once when their release says one of these.
fn fleet_where(refusing: &[&str], messages: &str) -> Result<Fleet> {
    let env = format!("{{ AGENT_LISTEN = '{{agent}}', AGENT_REFUSES = '{messages}' }}");
    let mut fleet = Fleet::new()?;
    for number in 1..=HOSTS {
        let name = format!("web-{number}");
        let setup = Setup::default();
        let refuses = refusing.contains(&name.as_str());
        fleet.enroll(&name, &if refuses { setup.run("env", &env) } else { setup })?;
    }
    fleet.start()?;
    Ok(fleet)
}

fn named(output: &Output, outcome: &str) -> Result<Vec<String>> {
    let summary = output.summary()?;
    let rows = summary["hosts"].as_array().context("rows")?;
    let of = rows.iter().filter(|row| row["outcome"] == outcome);
    Ok(of.map(|row| row["host"].as_str().unwrap_or_default().to_owned()).collect())
}

fn id(output: &Output) -> Result<String> {
    let summary = output.summary()?;
    Ok(summary["rollout"].as_str().context("an id")?.to_owned())
}

fn types(output: &Output) -> Result<Vec<String>> {
    let lines = output.lines()?;
    Ok(lines.iter().map(|line| line["type"].as_str().unwrap_or_default().to_owned()).collect())
}

#[test]
fn lesson_35_a_canary_lets_a_good_release_through_and_keeps_a_bad_one() -> Result<()> {
    let fleet = Fleet::of(HOSTS, &Setup::default())?;
    let good = fleet.update(&Tree::saying("one")?, &["--canary", "1", "--batch", "50%"])?.good()?;
    assert_eq!(named(&good, "updated")?.len(), HOSTS);
    let batches = types(&good)?.iter().filter(|kind| *kind == "rollout.batch_completed").count();
    assert_eq!(batches, 3, "the canary, six, and five");

    let crash = Behaviour { crash: Some("no database".into()), ..Behaviour::default() };
    let bad = Tree::agent(&crash)?;
    let paused = fleet.update(&bad, &["--canary", "1"])?;
    assert_eq!(paused.code, 3, "{paused:?}");
    assert_eq!(named(&paused, "rolled_back")?, ["web-1"]);
    assert_eq!(named(&paused, "skipped")?.len(), HOSTS - 1);
    for host in &fleet.hosts[1..] {
        // It may have been given the release ahead; nothing was activated.
        let history = host.history();
        let updates = history.iter().filter(|line| line["kind"] == "update");
        assert_eq!(updates.count(), 1, "{} was touched", host.name);
    }
    let id = id(&paused)?;
    assert_eq!(fleet.swarm(["rollout", "abort", &id])?.good()?.code, 0);

    // The whole fleet is kept from it, until somebody says so.
    let again = fleet.update(&bad, &["--canary", "1"])?;
    assert_eq!(again.code, 1);
    assert_snapshot!(wording(&again.stderr), @r#"{"error":{"causes":[],"code":"quarantined","exit":1,"hint":"send a repaired one; or, if the fault was elsewhere, lift it with: swarm release forgive SHORT --because TEXT","message":"failed to send DIGEST: it failed on web-1 (the agent exited with status 3) in the rollout ID, and is quarantined for the whole fleet since TIME"}}"#);
    let release = paused.summary()?["release"].as_str().context("a release")?.to_owned();
    fleet.swarm(["release", "forgive", &release, "--because", "the database is back"])?.good()?;
    let once_more = fleet.update(&bad, &["--canary", "1", "--retry-quarantined"])?;
    assert_eq!(once_more.code, 3, "{once_more:?}");
    Ok(())
}

#[test]
fn the_breaker_trips_in_the_second_batch_and_takes_three_answers() -> Result<()> {
    // By name, these two are the first of the second batch of four.
    let refusing = ["web-2", "web-3"];
    let fleet = fleet_where(&refusing, "two three four")?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let policy = ["--batch", "4", "--parallel", "1"];
    let tripped = |message: &str| -> Result<String> {
        let paused = fleet.update(&Tree::saying(message)?, &policy)?;
        assert_eq!(paused.code, 3, "{paused:?}");
        assert!(types(&paused)?.contains(&"rollout.circuit_breaker_tripped".to_owned()));
        assert_eq!(named(&paused, "updated")?, ["web-1", "web-10", "web-11", "web-12"]);
        assert_eq!(named(&paused, "rolled_back")?, refusing);
        id(&paused)
    };
    let runs = |name: &str| -> Result<Value> {
        let host = fleet.hosts.iter().find(|host| host.name == name).context("the host")?;
        Ok(host.ask_agent("/health")?["message"].clone())
    };

    let back = fleet.swarm(["--json", "rollout", "rollback", &tripped("two")?])?.good()?;
    assert_eq!(back.summary()?["result"], "rolled_back");
    assert_eq!(back.row("web-1")?["code"], "taken_back");
    assert_eq!((runs("web-1")?, runs("web-9")?), ("one".into(), "one".into()));

    let on = fleet.swarm(["--json", "rollout", "continue", &tripped("three")?])?;
    assert_eq!((on.code, named(&on, "updated")?.len()), (1, HOSTS - 2), "{on:?}");
    assert_eq!((runs("web-1")?, runs("web-2")?), ("three".into(), "one".into()));

    fleet.swarm(["rollout", "abort", &tripped("four")?])?.good()?;
    assert_eq!((runs("web-1")?, runs("web-9")?), ("four".into(), "three".into()));
    Ok(())
}

#[test]
fn a_host_that_is_down_hangs_or_is_full_is_its_own_row_and_holds_up_nobody() -> Result<()> {
    let mut fleet = Fleet::new()?;
    for number in 1..=HOSTS {
        let setup = Setup::default();
        let full = number == 3;
        let setup = if full { setup.limits("reserve_bytes", "'4096TiB'") } else { setup };
        fleet.enroll(&format!("web-{number}"), &setup)?;
    }
    fleet.start()?;
    fleet.hosts[0].stop()?;
    let hung = fleet.hosts[1].updater_processes();
    hung.iter().try_for_each(|pid| kill(*pid, Signal::SIGSTOP))?;
    let tree = Tree::saying("one")?;
    let output = fleet.update(&tree, &["--canary", "2", "--batch", "5", "--timeout", "10s"])?;
    hung.iter().try_for_each(|pid| kill(*pid, Signal::SIGCONT))?;
    assert_eq!(output.code, 1, "{output:?}");
    assert_eq!(named(&output, "unreachable")?, ["web-1", "web-2"]);
    assert_eq!(named(&output, "failed")?, ["web-3"]);
    assert_eq!(output.row("web-3")?["code"], "no_space");
    assert_eq!(named(&output, "updated")?.len(), HOSTS - 3);
    Ok(())
}
