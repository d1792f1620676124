//! One rollout whose master is killed after every single event that it stored.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Fleet, Host, Output, Setup, Tree};
use serde_json::Value;

const HOSTS: usize = 12;
const POLICY: [&str; 4] = ["--batch", "5", "--parallel", "3"];
/// The agent of this host ends at once when its release says so.
const REFUSES: &str = "web-4";

fn tree(message: &str) -> Result<Tree> {
    Tree::agent(&Behaviour { message: message.into(), ..Behaviour::default() })
}

/// A process that takes a rollout up stores that it does, and then dies after the next event.
fn and_die(fleet: &Fleet, words: &[&str], events: u32) -> Result<Output> {
    let mut command = fleet.command(["--json"])?;
    Output::of(command.args(words).env("SWARM_CRASH_AFTER_EVENT", events.to_string()))
}

fn outcomes(output: &Output) -> Result<Vec<(Value, Value)>> {
    let summary = output.summary()?;
    let rows = summary["hosts"].as_array().context("rows")?;
    Ok(rows.iter().map(|row| (row["host"].clone(), row["outcome"].clone())).collect())
}

#[test]
fn lesson_45_a_master_that_is_killed_after_every_event_comes_to_the_same_end() -> Result<()> {
    let env = "{ AGENT_LISTEN = '{agent}', AGENT_REFUSES = 'bad' }";
    let mut fleet = Fleet::new()?;
    for number in 1..=HOSTS {
        let (name, setup) = (format!("web-{number}"), Setup::default());
        fleet.enroll(&name, &if name == REFUSES { setup.run("env", env) } else { setup })?;
    }
    fleet.hosts.iter().try_for_each(|host| host.start_crashing(""))?;
    fleet.hosts.iter().try_for_each(Host::answers)?;
    fleet.update(&tree("one")?, &POLICY)?.good()?;
    let whole = fleet.update(&tree("bad")?, &POLICY)?;
    assert_eq!(whole.code, 1, "{whole:?}");

    let again = tree("bad again")?;
    let root = again.path().display().to_string();
    let begin = [&["update", "--all", "--root", &root][..], &POLICY].concat();
    let mut ended = and_die(&fleet, &begin, 1)?;
    let list = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    let id = list[0]["id"].as_str().context("an id")?.to_owned();
    let mut killed = 1;
    while ended.code == -1 {
        ensure!(killed < 1000, "it comes to no end: {ended:?}");
        ended = and_die(&fleet, &["rollout", "resume", &id], 2)?;
        killed += 1;
    }
    // Each host was looked at, entered phases and came to its end.
    assert!(killed > 3 * HOSTS, "{killed}");
    // The last event ends it: whoever stored that was killed, too, and there is no more to say.
    let told = if ended.stdout.is_empty() { history(&fleet, &id)? } else { outcomes(&ended)? };
    assert_eq!(told, outcomes(&whole)?, "killed {killed} times");
    for host in &fleet.hosts {
        let runs = host.ask_agent("/health")?["message"].clone();
        assert_eq!(runs, if host.name == REFUSES { "one" } else { "bad again" }, "{}", host.name);
        let applied = host.history().into_iter().filter(|line| line["outcome"] == "updated");
        assert_eq!(applied.count(), if host.name == REFUSES { 1 } else { 3 }, "{}", host.name);
    }
    Ok(())
}

/// What the hosts came to, by the store.
fn history(fleet: &Fleet, id: &str) -> Result<Vec<(Value, Value)>> {
    let past = fleet.swarm(["--json", "history"])?.good()?.json()?;
    let past = past.as_array().context("rollouts")?;
    let rollout = past.iter().find(|rollout| rollout["id"] == id).context("the rollout")?;
    let hosts = rollout["hosts"].as_array().context("hosts")?;
    Ok(hosts.iter().map(|row| (row["host"].clone(), row["outcome"].clone())).collect())
}
