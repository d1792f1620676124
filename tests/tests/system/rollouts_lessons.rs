//! What went wrong in tools like this one, tried on the real `swarm`.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Fleet, Host, LONG, Output, Setup, Tree, eventually, wording};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A release whose agent ends as soon as it is started.
fn crashing() -> Result<Tree> {
    Tree::agent(&Behaviour { crash: Some("no database".into()), ..Behaviour::default() })
}

/// What `swarm status` says of each host's app.
fn apps(fleet: &Fleet) -> Result<(i32, Vec<Value>)> {
    let status = fleet.swarm(["--json", "status", "--all"])?;
    let hosts = status.json()?;
    let hosts = hosts.as_array().context("hosts")?;
    Ok((status.code, hosts.iter().map(|host| host["apps"][0].clone()).collect()))
}

fn outcomes(output: &Output) -> Result<Vec<Value>> {
    let summary = output.summary()?;
    let rows = summary["hosts"].as_array().context("rows")?;
    Ok(rows.iter().map(|row| row["outcome"].clone()).collect())
}

fn orders(host: &Host) -> usize {
    host.history().len()
}

#[test]
fn lesson_38_a_selection_that_means_nobody_orders_nobody() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.enroll("web-1", &Setup::default())?;
    let tree = Tree::saying("one")?;
    let mut told = Vec::new();
    for pattern in [",", "web-*:!db-*", "web-*:!["] {
        let mut update = fleet.command(["update", "--select", pattern, "--root"])?;
        let output = Output::of(update.arg(tree.path()))?;
        assert_eq!(output.code, 2, "{pattern}: {output:?}");
        told.push(wording(&output.stderr));
    }
    assert_snapshot!(told.join("\n"), @r#"
    error: failed to read the selection ",": a term is empty
    hint: terms are names (web-1), globs (web*), labels (role=web), regular expressions (~web-\d+), files (@hosts.txt) and all, joined by ',' or ':' (or), ':&' (and), ':!' (not)
    error: failed to find a host that "db-*" names
    hint: run: swarm list
    error: failed to read the selection "web-*:![": "[" is not a glob
    caused by: error parsing glob '[': unclosed character class; missing ']'
    hint: terms are names (web-1), globs (web*), labels (role=web), regular expressions (~web-\d+), files (@hosts.txt) and all, joined by ',' or ':' (or), ':&' (and), ':!' (not)
    "#);
    assert_eq!(fleet.swarm(["--json", "history"])?.good()?.json()?, Value::Array(Vec::new()));
    Ok(())
}

#[test]
fn lesson_40_force_says_what_it_saw_and_not_that_all_is_well() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let (host, tree) = (&fleet.hosts[0], Tree::saying("one")?);
    fleet.update(&tree, &[])?.good()?;
    // Its agent dies, and cannot come back: somebody else has its port.
    let squatter = eventually("the agent's port", LONG, || {
        if let Some(pid) = host.app().ok()?.pid {
            // It may be gone by itself.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
        }
        TcpListener::bind(host.agent).ok()
    })?;
    let forced = fleet.update(&tree, &["--force", "--allow-unhealthy"])?;
    assert_eq!(forced.code, 1, "{forced:?}");
    assert_ne!(forced.row("web-1")?["outcome"], "updated", "{forced:?}");
    drop(squatter);
    let forced =
        fleet.update(&tree, &["--force", "--allow-unhealthy", "--retry-quarantined"])?.good()?;
    assert_eq!(forced.row("web-1")?["outcome"], "updated", "{forced:?}");
    assert_eq!(host.ask_agent("/health")?["message"], "one");
    Ok(())
}

#[test]
fn lesson_42_failures_on_every_other_host_trip_the_total() -> Result<()> {
    let mut fleet = Fleet::new()?;
    let env = "{ AGENT_LISTEN = '{agent}', AGENT_REFUSES = 'two' }";
    for number in 1..=6 {
        let (name, setup) = (format!("web-{number}"), Setup::default());
        fleet.enroll(&name, &if number % 2 == 1 { setup.run("env", env) } else { setup })?;
    }
    fleet.start()?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let policy = ["--parallel", "1", "--max-failures", "2", "--on-trip", "abort"];
    let output = fleet.update(&Tree::saying("two")?, &policy)?;
    assert_eq!(output.code, 1, "{output:?}");
    let ends = ["rolled_back", "updated", "rolled_back", "skipped", "skipped", "skipped"];
    assert_eq!(outcomes(&output)?, ends);
    Ok(())
}

#[test]
fn lesson_46_rollouts_of_one_instant_have_names_of_their_own_and_keep_their_order() -> Result<()> {
    let fleet = Fleet::of(4, &Setup::default())?;
    let tree = Tree::saying("one")?;
    let update = |host: &Host| -> Result<String> {
        let mut update = fleet.command(["--json", "update", "--host", &host.name, "--root"])?;
        let output = Output::of(update.arg(tree.path()))?.good()?;
        Ok(output.summary()?["rollout"].as_str().context("an id")?.to_owned())
    };
    let ids = thread::scope(|scope| {
        let begun: Vec<_> = fleet.hosts.iter().map(|host| scope.spawn(|| update(host))).collect();
        begun.into_iter().map(|one| one.join().ok().context("it does not panic")?).collect()
    });
    let ids: Result<BTreeSet<String>> = ids;
    assert_eq!(ids?.len(), fleet.hosts.len());
    let list = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    let list = list.as_array().context("rollouts")?;
    let newest = update(&fleet.hosts[0])?;
    let again = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    assert_eq!(again[0]["id"], newest.as_str(), "the newest first");
    assert_eq!(again.as_array().context("rollouts")?[1..], *list, "and the others as they were");
    Ok(())
}

#[test]
fn lesson_47_what_was_asked_for_is_not_shown_as_what_runs() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let before = apps(&fleet)?;
    assert_eq!((before.0, &before.1[0]["drift"]), (0, &Value::Bool(false)));
    let bad = fleet.update(&crashing()?, &[])?;
    assert_eq!(bad.row("web-1")?["outcome"], "rolled_back");
    let (code, after) = apps(&fleet)?;
    assert_eq!(code, 1, "a host that does not run what it should is not well");
    assert_eq!(after[0]["active"]["digest"], before.1[0]["active"]["digest"]);
    assert_eq!(after[0]["desired"], bad.summary()?["release"]);
    assert_eq!(after[0]["drift"], true);
    fleet.hosts[0].stop()?;
    let down = fleet.swarm(["--json", "status", "--all"])?;
    assert_eq!((down.code, &down.json()?[0]["reachable"]), (1, &Value::Bool(false)));
    Ok(())
}

/// A rollback that a host refuses was never its wish: it still should run what it runs.
#[test]
fn a_rollback_that_is_refused_makes_no_drift() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let bad = fleet.update(&crashing()?, &[])?;
    let failed = bad.summary()?["release"].as_str().context("a release")?.to_owned();
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    let unknown = format!("sha256:{}", "0".repeat(64));
    for release in [&failed, &unknown] {
        let refused = fleet.swarm(["--json", "rollback", "--all", "--to", release])?;
        assert_eq!(refused.code, 1, "{refused:?}");
        let (code, now) = apps(&fleet)?;
        assert_eq!((code, &now[0]["drift"]), (0, &Value::Bool(false)), "{refused:?} {now:?}");
    }
    Ok(())
}

#[test]
fn lesson_48_a_release_that_failed_is_not_tried_again_by_whoever_asks() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let bad = crashing()?;
    assert_eq!(fleet.update(&bad, &["--parallel", "1", "--canary", "1"])?.code, 3);
    let id = fleet.swarm(["--json", "rollout", "list"])?.json()?[0]["id"].clone();
    fleet.swarm(["rollout", "abort", id.as_str().context("an id")?])?.good()?;
    let before: Vec<_> = fleet.hosts.iter().map(orders).collect();
    for more in [&[][..], &["--force"], &["--allow-unhealthy"]] {
        let again = fleet.update(&bad, more)?;
        assert_eq!(again.code, 1, "{again:?}");
        assert!(again.stderr.contains("quarantined"), "{again:?}");
    }
    let after: Vec<_> = fleet.hosts.iter().map(orders).collect();
    assert_eq!(after, before, "no host was asked");
    Ok(())
}
