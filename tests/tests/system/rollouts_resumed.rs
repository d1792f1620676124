//! Rollouts that are cut short, that meet each other, and that wait for somebody.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Fleet, LONG, Output, Setup, Tree, eventually, wording};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::Phase;
use serde_json::Value;

fn update(fleet: &Fleet, tree: &Tree, arguments: &[&str]) -> Result<Command> {
    let mut command = fleet.command(["--json", "update", "--all", "--root"])?;
    command.arg(tree.path()).args(arguments);
    Ok(command)
}

fn last(fleet: &Fleet) -> Result<String> {
    let all = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    Ok(all[0]["id"].as_str().context("an id")?.to_owned())
}

fn outcomes(output: &Output) -> Result<Vec<(String, String)>> {
    let summary = output.summary()?;
    let rows = summary["hosts"].as_array().context("rows")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(rows.iter().map(|row| (text(&row["host"]), text(&row["outcome"]))).collect())
}

#[test]
fn lesson_45_a_master_that_was_killed_is_gone_on_with_to_the_same_end() -> Result<()> {
    let env = "{ AGENT_LISTEN = '{agent}', AGENT_REFUSES = 'bad' }";
    let mut fleet = Fleet::new()?;
    for number in 1..=4 {
        let setup = Setup::default();
        let setup = if number == 3 { setup.run("env", env) } else { setup };
        fleet.enroll(&format!("web-{number}"), &setup)?;
    }
    fleet.start()?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    for (number, events) in [1, 4, 9, 14, 21, 28].into_iter().enumerate() {
        // web-3 does not bear it.
        let tree = Tree::saying(&format!("bad {number}"))?;
        let policy = ["--batch", "2", "--parallel", "1"];
        let mut command = update(&fleet, &tree, &policy)?;
        let killed = Output::of(command.env("SWARM_CRASH_AFTER_EVENT", events.to_string()))?;
        assert_eq!(killed.code, -1, "it was killed: {killed:?}");
        // Somebody who wants something else is told, and the same command again goes on with it.
        let resumed = if number == 0 {
            let id = last(&fleet)?;
            let other = fleet.update(&tree, &["--batch", "1"])?;
            assert_eq!(other.code, 4, "{other:?}");
            assert_snapshot!(wording(&other.stderr), @r#"{"error":{"causes":["USER started it TIME; batch 1 of 2: 1 host under way, 1 waits; next: batch 2 of 2; expected to be done about TIME; the swarm process that drove it is gone"],"code":"in_rollout","exit":4,"hint":"go on with it: swarm rollout resume ID; or take back what it did: swarm rollout rollback ID; or leave all as it is: swarm rollout abort ID","message":"failed to begin: web-1, web-2, web-3, web-4 are in the rollout ID"}}"#);
            // Who waits for it is told at once what there is to do.
            let mut waits = fleet.command(["update", "--all", "--batch", "1", "--wait", "1ms"])?;
            let waits = Output::of(waits.arg("--root").arg(tree.path()))?;
            assert_snapshot!(wording(&waits.stderr), @r"
            note: TEMPORARY is no git work tree and its release.toml has no [pack]: everything in it is packed, except what looks like a secret and what builds leave behind
            packed SHORT: 2 files, SIZE
            waiting for the rollout ID: USER started it TIME; batch 1 of 2: 1 host under way, 1 waits; next: batch 2 of 2; expected to be done about TIME; the swarm process that drove it is gone
            go on with it: swarm rollout resume ID; or take back what it did: swarm rollout rollback ID; or leave all as it is: swarm rollout abort ID
            error: failed to begin: web-1, web-2, web-3, web-4 are in the rollout ID
            caused by: USER started it TIME; batch 1 of 2: 1 host under way, 1 waits; next: batch 2 of 2; expected to be done about TIME; the swarm process that drove it is gone
            hint: go on with it: swarm rollout resume ID; or take back what it did: swarm rollout rollback ID; or leave all as it is: swarm rollout abort ID
            ");
            let again = fleet.update(&tree, &policy)?;
            assert_eq!(again.summary()?["rollout"], id.as_str());
            again
        } else {
            fleet.swarm(["--json", "rollout", "resume", &last(&fleet)?])?
        };
        assert_eq!(resumed.code, 1, "killed after {events} events: {resumed:?}");
        let expected = ["updated", "updated", "rolled_back", "updated"];
        let names = (1..=4).map(|number| format!("web-{number}"));
        let expected: Vec<_> = names.zip(expected.map(str::to_owned)).collect();
        assert_eq!(outcomes(&resumed)?, expected, "killed after {events} events");
        assert_eq!(fleet.hosts[2].ask_agent("/health")?["message"], "one");
        for host in [0, 1, 3] {
            let runs = fleet.hosts[host].ask_agent("/health")?;
            assert_eq!(runs["message"], format!("bad {number}"));
        }
    }
    Ok(())
}

#[test]
fn ctrl_c_waits_for_those_under_way_and_the_rollout_can_be_resumed() -> Result<()> {
    let fleet = Fleet::of(3, &Setup::default().patient())?;
    let gate = fleet.sandbox().path().join("gate");
    let waits_for = Some(gate.clone());
    let tree = Tree::agent(&Behaviour { waits_for, ..Behaviour::default() })?;
    let mut command = update(&fleet, &tree, &["--parallel", "1"])?;
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut printed = BufReader::new(child.stdout.take().context("its output")?).lines();
    eventually("the release to be proven", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.state == Phase::Probing)
    })?;
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    let paused = |line: &std::io::Result<String>| {
        line.as_ref().is_ok_and(|line| line.contains("rollout.paused"))
    };
    printed.by_ref().find(paused).context("nobody says that it stops")??;
    fs::write(gate, "")?;
    let summary = printed.last().context("a summary")??;
    assert_eq!(child.wait()?.code(), Some(130));
    let summary: Value = serde_json::from_str(&summary)?;
    assert_eq!(summary["result"], "interrupted");
    assert_eq!(summary["hosts"][0]["outcome"], "updated");
    assert_eq!(summary["hosts"][1]["code"], "interrupted");
    let resumed = fleet.swarm(["--json", "rollout", "resume", &last(&fleet)?])?.good()?;
    assert!(outcomes(&resumed)?.iter().all(|(_, outcome)| outcome == "updated"));
    Ok(())
}

#[test]
fn a_host_in_its_watch_or_already_current_is_its_rollouts_alone() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let one = Tree::saying("one")?;
    let on_one_host = |tree: &Tree, host: &str| -> Result<Output> {
        let words = ["--json", "update", "--host", host, "--root"].map(OsStr::new);
        fleet.swarm(words.into_iter().chain([tree.path().as_os_str()]))
    };
    on_one_host(&one, "web-1")?.good()?;
    let mut command = update(&fleet, &one, &["--watch", "10m"])?;
    let child = command.stdout(Stdio::piped()).spawn()?;
    eventually("the watch", LONG, || {
        fleet.hosts[1].app().ok().filter(|app| app.state == Phase::Watching)
    })?;
    let other = Tree::saying("two")?;
    for host in ["web-1", "web-2"] {
        let refused = on_one_host(&other, host)?;
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(refused.stderr.contains("started it"), "{refused:?}");
    }
    // Asked twice to end, it says what it leaves.
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        kill(Pid::from_raw(child.id().cast_signed()), signal)?;
    }
    let ended = child.wait_with_output()?;
    assert_eq!(ended.status.code(), Some(130));
    let text = String::from_utf8(ended.stdout)?;
    let summary: Value = serde_json::from_str(text.lines().last().context("a summary")?)?;
    let left = &summary["hosts"][1];
    assert_eq!((&left["outcome"], &left["code"]), (&"unclear".into(), &"interrupted".into()));
    assert!(left["detail"].as_str().context("why")?.contains("watching"), "{left}");
    Ok(())
}

#[test]
fn lesson_49_two_rollouts_do_not_share_a_host_and_a_pending_one_is_not_replaced() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let waits = fleet.update(&Tree::saying("one")?, &["--approve", "start"])?;
    assert_eq!(waits.code, 3, "{waits:?}");
    let first = last(&fleet)?;
    let other = Tree::saying("two")?;
    let refused = fleet.update(&other, &[])?;
    assert_eq!(refused.code, 4, "{refused:?}");
    assert_snapshot!(wording(&refused.stderr), @r#"{"error":{"causes":["USER started it TIME; waits since TIME for an operator to approve the start; next: it goes on, or ends if it is rejected; without an answer it ends TIME"],"code":"in_rollout","exit":4,"hint":"wait for it with --wait 10m, or see: swarm rollout show ID","message":"failed to begin: web-1, web-2 are in the rollout ID"}}"#);
    // Lesson 44: the plan that waits is the one that was made.
    let shown = fleet.swarm(["--json", "rollout", "show", &first])?.good()?.json()?;
    assert_eq!(
        (&shown["state"], &shown["plan"]),
        (&"awaiting_approval".into(), &waits.summary()?["plan"])
    );
    let second = std::thread::scope(|scope| -> Result<Output> {
        let waiting = scope.spawn(|| fleet.update(&other, &["--wait", "60s"]));
        fleet.swarm(["rollout", "reject", &first])?.good()?;
        waiting.join().expect("it does not panic")
    })?;
    assert_eq!(second.good()?.row("web-1")?["outcome"], "updated");
    Ok(())
}

#[test]
fn lesson_44_an_approval_of_a_plan_gone_stale_is_refused_host_by_host() -> Result<()> {
    let fleet = Fleet::of(3, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let waits = fleet.update(&Tree::saying("two")?, &["--approve", "start"])?;
    assert_eq!(waits.code, 3, "{waits:?}");
    let (id, plan) =
        (last(&fleet)?, waits.summary()?["plan"].as_str().context("a plan")?.to_owned());
    let moved = Tree::healthy("by another hand")?;
    fleet.hosts[1].push(&moved)?.result()?;
    let other = waits.summary()?["release"].as_str().context("a release")?.to_owned();
    let wrong = fleet.swarm(["rollout", "approve", &id, "--digest", &other])?;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let approved = fleet.swarm(["--json", "rollout", "approve", &id, "--digest", &plan])?;
    assert_eq!(approved.code, 1, "{approved:?}");
    assert_eq!(approved.row("web-2")?["code"], "moved");
    assert_eq!(approved.row("web-1")?["outcome"], "updated");
    assert_eq!(fleet.hosts[1].running(), Some(moved.digest));
    Ok(())
}

#[test]
fn a_plan_that_was_kept_is_carried_out_as_it_was_made() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let tree = Tree::saying("one")?;
    let root = tree.path().display().to_string();
    let words = ["--json", "plan", "--all", "--canary", "1", "--root", &root];
    let planned = fleet.swarm(words)?.good()?.json()?;
    assert_eq!(planned["worst_case"]["if_bad_everywhere"], 1);
    assert_eq!(fleet.hosts[0].history().len(), 0);
    let digest = planned["plan"].as_str().context("a digest")?;
    let done = fleet.swarm(["--json", "update", "--plan", digest])?.good()?;
    assert_eq!(done.summary()?["plan"], digest);
    assert_eq!(outcomes(&done)?.len(), 2);
    Ok(())
}

/// However soon after it was made: what it saw of the hosts need not be so any more.
#[test]
fn a_plan_that_was_kept_looks_at_every_host_again() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let root = Tree::saying("one")?;
    let root = root.path().display().to_string();
    let planned = fleet.swarm(["--json", "plan", "--all", "--root", &root])?.good()?.json()?;
    let digest = planned["plan"].as_str().context("a digest")?;
    let moved = Tree::healthy("by another hand")?;
    fleet.hosts[1].push(&moved)?.result()?;
    let done = fleet.swarm(["--json", "update", "--plan", digest])?;
    assert_eq!(done.row("web-2")?["code"], "moved");
    assert_eq!(fleet.hosts[1].running(), Some(moved.digest));
    assert_eq!(done.row("web-1")?["outcome"], "updated");
    Ok(())
}

/// The process that packed the tree is gone by then.
#[test]
fn what_was_not_packed_is_still_told_when_a_plan_that_was_kept_fails() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default().app("build", "'auto'"))?;
    let tree = Tree::saying("one")?;
    tree.file(".env", "TOKEN=secret-of-the-shop\n")?;
    tree.file("release.toml", "[build]\ncommand = \"cat .env\"\n")?;
    let root = tree.path().display().to_string();
    let planned = fleet.swarm(["--json", "plan", "--all", "--root", &root])?.good()?.json()?;
    let digest = planned["plan"].as_str().context("a digest")?;
    let row = fleet.swarm(["--json", "update", "--plan", digest])?.row("web-1")?;
    assert_eq!(row["code"], "build_failed", "{row}");
    let detail = row["detail"].as_str().context("a detail")?;
    assert!(detail.ends_with("left out of the archive: .env (secret)"), "{row}");
    Ok(())
}

#[test]
fn a_host_that_is_held_before_its_turn_is_left_out() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let waits = fleet.update(&Tree::saying("one")?, &["--approve", "start"])?;
    assert_eq!(waits.code, 3, "{waits:?}");
    fleet.swarm(["hold", "web-2", "--because", "its disk is swapped"])?.good()?;
    let approved = fleet.swarm(["--json", "rollout", "approve", &last(&fleet)?])?;
    let row = approved.row("web-2")?;
    assert_eq!((&row["outcome"], &row["code"]), (&"skipped".into(), &"held".into()), "{row}");
    assert!(row["detail"].as_str().is_some_and(|why| why.contains("its disk is swapped")), "{row}");
    assert_eq!(approved.row("web-1")?["outcome"], "updated");
    assert!(fleet.hosts[1].running().is_none());
    Ok(())
}

#[test]
fn a_host_that_was_held_meanwhile_is_asked_for_its_order_and_given_no_other() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default().patient())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let hold = || fleet.swarm(["hold", "web-1", "--because", "its disk is swapped"])?.good();
    let resume = || fleet.swarm(["--json", "rollout", "resume", &last(&fleet)?]);
    // Its order was written down, and swarm died before it was sent.
    let two = Tree::saying("two")?;
    let mut command = update(&fleet, &two, &[])?;
    let killed = Output::of(command.env("SWARM_CRASH_AFTER_EVENT", "1"))?;
    assert_eq!(killed.code, -1, "it was killed: {killed:?}");
    hold()?;
    let row = resume()?.row("web-1")?;
    assert_eq!((&row["outcome"], &row["code"]), (&"skipped".into(), &"held".into()), "{row}");
    assert_eq!(fleet.hosts[0].ask_agent("/health")?["message"], "one");
    fleet.swarm(["unhold", "web-1"])?.good()?;

    // It has its order, and carries it out while swarm is dead.
    let gate = fleet.sandbox().path().join("gate");
    let behaviour = Behaviour { message: "three".to_owned(), ..Behaviour::default() };
    let three = Tree::agent(&Behaviour { waits_for: Some(gate.clone()), ..behaviour })?;
    let mut child = update(&fleet, &three, &[])?.stdout(Stdio::null()).spawn()?;
    eventually("the release to be proven", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.state == Phase::Probing)
    })?;
    child.kill()?;
    child.wait()?;
    hold()?;
    fs::write(gate, "")?;
    let resumed = resume()?.good()?;
    assert_eq!(outcomes(&resumed)?, [("web-1".to_owned(), "updated".to_owned())]);
    assert_eq!(fleet.hosts[0].ask_agent("/health")?["message"], "three");
    assert_eq!(fleet.hosts[0].history().len(), 2, "it got one order in each of two rollouts");
    Ok(())
}

#[test]
fn a_host_that_was_decommissioned_meanwhile_is_told_as_one() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    let waits = fleet.update(&Tree::saying("one")?, &["--approve", "start"])?;
    assert_eq!(waits.code, 3, "{waits:?}");
    fleet.swarm(["decommission", "web-2"])?.good()?;
    let because = ["--because", "change 4711"];
    let approve = ["--json", "rollout", "approve", &last(&fleet)?];
    let approved = fleet.swarm(approve.into_iter().chain(because))?;
    assert_eq!(approved.code, 1, "{approved:?}");
    let history = fleet.swarm(["history"])?.good()?;
    assert!(history.stdout.contains("approved the start: change 4711"), "{history:?}");
    let row = approved.row("web-2")?;
    assert_eq!((&row["outcome"], &row["code"]), (&"unreachable".into(), &"not_in_fleet".into()));
    assert!(row["detail"].as_str().is_some_and(|why| why.ends_with("decommissioned")), "{row}");
    assert_eq!(approved.row("web-1")?["outcome"], "updated");
    Ok(())
}
