//! A rollout whose master is killed while it drives it, again and again, until the rollout ends.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Fleet, Host, Output, Setup, Tree};

const HOSTS: usize = 12;
const POLICY: [&str; 4] = ["--batch", "5", "--parallel", "3"];
/// The agent of this host ends at once when its release says so.
const REFUSES: &str = "web-4";

/// Kills the master after every so many events that it stored, and another one goes on. Whatever the
/// number, the rollout comes to the end that it has when its master lives. How often it was killed.
///
/// # Errors
/// When it comes to another end, or to none.
pub fn kill_master_after_every(events: u32) -> Result<usize> {
    let fleet = fleet()?;
    fleet.update(&Tree::saying("one")?, &POLICY)?.good()?;
    let whole = fleet.update(&Tree::saying("bad")?, &POLICY)?;
    ensure!(whole.code == 1, "{whole:?}");

    let again = Tree::saying("bad again")?;
    let root = again.path().display().to_string();
    let begin = [&["update", "--all", "--root", &root][..], &POLICY].concat();
    let mut ended = and_die(&fleet, &begin, events)?;
    let list = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    let id = list[0]["id"].as_str().context("an id")?.to_owned();
    let mut killed = 1;
    while ended.code == -1 {
        ensure!(killed < 1000, "it comes to no end: {ended:?}");
        // One that takes a rollout up stores first that it does.
        ended = and_die(&fleet, &["rollout", "resume", &id], events + 1)?;
        killed += 1;
    }
    // The last event ends it: a master that was killed after it has no more to say.
    let told = if ended.stdout.is_empty() { history(&fleet, &id)? } else { outcomes(&ended)? };
    let expected = outcomes(&whole)?;
    ensure!(told == expected, "killed {killed} times: {told:?}, not {expected:?}");
    fleet.hosts.iter().try_for_each(|host| has_arrived(host).context(host.name.clone()))?;
    Ok(killed)
}

fn fleet() -> Result<Fleet> {
    let env = "{ AGENT_LISTEN = '{agent}', AGENT_REFUSES = 'bad' }";
    let mut fleet = Fleet::new()?;
    for number in 1..=HOSTS {
        let (name, setup) = (format!("web-{number}"), Setup::default());
        fleet.enroll(&name, &if name == REFUSES { setup.run("env", env) } else { setup })?;
    }
    fleet.start()?;
    Ok(fleet)
}

/// Lets the command store so many events, and kills it.
fn and_die(fleet: &Fleet, words: &[&str], events: u32) -> Result<Output> {
    let mut command = fleet.command(["--json"])?;
    Output::of(command.args(words).env("SWARM_CRASH_AFTER_EVENT", events.to_string()))
}

fn outcomes(output: &Output) -> Result<Vec<(Value, Value)>> {
    rows(&output.summary()?)
}

/// What the hosts came to, by the store.
fn history(fleet: &Fleet, id: &str) -> Result<Vec<(Value, Value)>> {
    let past = fleet.swarm(["--json", "history"])?.good()?.json()?;
    let past = past.as_array().context("rollouts")?;
    rows(past.iter().find(|rollout| rollout["id"] == id).context("the rollout")?)
}

fn rows(rollout: &Value) -> Result<Vec<(Value, Value)>> {
    let hosts = rollout["hosts"].as_array().context("hosts")?;
    Ok(hosts.iter().map(|row| (row["host"].clone(), row["outcome"].clone())).collect())
}

/// Whether a host runs what it has to, and was given each release once.
fn has_arrived(host: &Host) -> Result<()> {
    let refuses = host.name == REFUSES;
    let runs = host.ask_agent("/health")?["message"].clone();
    ensure!(runs == if refuses { "one" } else { "bad again" }, "it runs {runs}");
    let applied = host.history().into_iter().filter(|line| line["outcome"] == "updated").count();
    ensure!(applied == if refuses { 1 } else { 3 }, "{applied} updates were applied");
    Ok(())
}
