//! The way back: of a fleet, of a rollout, in the middle of a watch, and when the terminal goes away.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Fleet, LONG, Output, Setup, Tree, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::Phase;

fn id(output: &Output) -> Result<String> {
    Ok(output.summary()?["rollout"].as_str().context("an id")?.to_owned())
}

fn say(fleet: &Fleet, message: &str) -> Result<()> {
    for host in &fleet.hosts {
        let said = host.ask_agent("/health")?;
        ensure!(said["message"] == message, "{said}");
    }
    Ok(())
}

#[test]
fn a_rollback_does_one_thing_or_is_refused_and_a_rollout_can_be_undone() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    let back = ["--json", "rollback", "--all"];
    fleet.swarm(back)?.good()?;
    say(&fleet, "one")?;
    let forward = fleet.swarm(back)?;
    assert_eq!(forward.code, 1, "{forward:?}");
    assert!(forward.stderr.contains("would go forward again"), "{forward:?}");

    let three = fleet.update(&Tree::saying("three")?, &["--batch", "1"])?.good()?;
    let undone = fleet.swarm(["--json", "rollout", "undo", &id(&three)?])?.good()?;
    assert_eq!(undone.row("web-2")?["outcome"], "rolled_back");
    say(&fleet, "one")?;
    let again = fleet.swarm(["--json", "rollout", "undo", &id(&three)?])?.good()?;
    assert_eq!(again.row("web-1")?["outcome"], "already_current");

    let crash = Behaviour { crash: Some("no database".into()), ..Behaviour::default() };
    let bad = fleet.update(&Tree::agent(&crash)?, &[])?;
    assert_eq!(bad.code, 1, "{bad:?}");
    let further = fleet.swarm(back)?;
    assert_eq!(further.code, 1, "{further:?}");
    assert!(
        further
            .stderr
            .contains("nothing to take back: web-1, web-2 already went back by themselves"),
        "{further:?}"
    );
    say(&fleet, "one")?;
    fleet.swarm(["check"])?;
    Ok(())
}

#[test]
fn a_rollback_in_the_watch_takes_the_release_back_at_once() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let mut command = fleet.command(["--json", "update", "--all", "--watch", "10m", "--root"])?;
    let two = Tree::saying("two")?;
    let mut driver = command.arg(two.path()).stdout(Stdio::null()).spawn()?;
    eventually("the watch", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.state == Phase::Watching)
    })?;
    let back = fleet.swarm(["--json", "rollback", "--all"])?.good()?;
    assert_eq!(back.row("web-1")?["outcome"], "rolled_back");
    say(&fleet, "one")?;
    assert_eq!(driver.wait()?.code(), Some(1));
    let status = fleet.swarm(["--json", "status", "--all"])?.good()?.json()?;
    assert_eq!(status[0]["apps"][0]["drift"], false);
    Ok(())
}

/// What is watched need not be of a rollout that is open: it may have been aborted, or ordered elsewhere.
#[test]
fn a_rollback_in_the_watch_of_no_rollout_takes_the_release_back_too() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let two = Tree::healthy("two")?;
    let watched = fleet.hosts[0].order_until_watched(&two)?;
    let shown = fleet.swarm(["--json", "rollback", "--all", "--dry-run"])?.good()?;
    let why = format!("it takes back its update to {}", two.digest.short());
    assert!(shown.stdout.contains(&why), "{shown:?}");
    let back = fleet.swarm(["--json", "rollback", "--all"])?.good()?;
    assert_eq!(back.row("web-1")?["outcome"], "rolled_back");
    say(&fleet, "one")?;
    drop(watched);
    Ok(())
}

#[test]
fn a_terminal_that_goes_away_pauses_the_rollout_and_hooks_are_told() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default().patient())?;
    let (gate, told) = (fleet.sandbox().path().join("gate"), fleet.sandbox().path().join("told"));
    let hook = format!("[[on_event]]\ncommand = ['/usr/bin/tee', '{}']\n", told.display());
    fs::write(fleet.home().join("swarm.toml"), hook)?;
    let behaviour = Behaviour { waits_for: Some(gate.clone()), ..Behaviour::default() };
    let tree = Tree::agent(&behaviour)?;
    let mut command = fleet.command(["--json", "update", "--all", "--parallel", "1", "--root"])?;
    let mut child = command.arg(tree.path()).stdout(Stdio::piped()).spawn()?;
    let mut printed = BufReader::new(child.stdout.take().context("its output")?).lines();
    eventually("the release to be proven", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.state == Phase::Probing)
    })?;
    // The kernel and the shell each send one.
    for _ in 0..2 {
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP)?;
    }
    let paused = |line: &std::io::Result<String>| {
        line.as_ref().is_ok_and(|line| line.contains("rollout.paused"))
    };
    printed.by_ref().find(paused).context("nobody says that it stops")??;
    fs::write(gate, "")?;
    let summary = printed.last().context("a summary")??;
    assert_eq!(child.wait()?.code(), Some(130));
    let summary: serde_json::Value = serde_json::from_str(&summary)?;
    assert_eq!(summary["hosts"][0]["outcome"], "updated");
    assert_eq!(summary["hosts"][1]["code"], "interrupted");
    assert!(fs::read_to_string(told)?.contains("rollout.paused"));
    Ok(())
}

#[test]
fn below_nohup_a_terminal_may_go_away() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default().patient())?;
    let gate = fleet.sandbox().path().join("gate");
    let behaviour = Behaviour { waits_for: Some(gate.clone()), ..Behaviour::default() };
    let tree = Tree::agent(&behaviour)?;
    let command = fleet.command(["--json", "update", "--all", "--parallel", "1", "--root"])?;
    let mut nohup = Command::new("nohup");
    nohup.arg(command.get_program()).args(command.get_args()).arg(tree.path());
    nohup.env_remove("SUDO_USER").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = nohup.spawn()?;
    let mut printed = BufReader::new(child.stdout.take().context("its output")?).lines();
    eventually("the release to be proven", LONG, || {
        fleet.hosts[0].app().ok().filter(|app| app.state == Phase::Probing)
    })?;
    // Its number is that of `swarm` by now: `nohup` has become it.
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP)?;
    fs::write(gate, "")?;
    let summary = printed.by_ref().last().context("a summary")??;
    assert_eq!(child.wait()?.code(), Some(0), "{summary}");
    let summary: serde_json::Value = serde_json::from_str(&summary)?;
    for host in [0, 1] {
        assert_eq!(summary["hosts"][host]["outcome"], "updated", "{summary}");
    }
    Ok(())
}
