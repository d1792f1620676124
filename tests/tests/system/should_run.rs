//! What each host should run, and why it does not: of hosts that were held, and of those that were changed
//! by hand.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Fleet, Output, Setup, Tree, program, wording};
use insta::assert_snapshot;
use serde_json::Value;

fn release(version: &str) -> Result<Tree> {
    let tree = Tree::saying(version)?;
    tree.file("release.toml", &format!("name = 'agent'\nversion = '{version}'\n"))?;
    Ok(tree)
}

/// What `swarm status` and `check` say of one host, and how both exit.
fn looked_at(fleet: &Fleet, host: &str) -> Result<(i32, String)> {
    let status = fleet.swarm(["status", host])?;
    let check = fleet.swarm(["check", host])?;
    ensure!(status.code == check.code, "{status:?} {check:?}");
    let notes = status.stdout.lines().filter(|line| line.starts_with(&format!("{host} agent: ")));
    Ok((status.code, wording(&notes.collect::<Vec<_>>().join("\n"))))
}

#[test]
fn a_release_that_a_held_host_missed_is_drift_once_it_is_let_go() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&release("1.7.0")?, &[])?.good()?;
    fleet.swarm(["hold", "web-2", "--because", "new disk"])?.good()?;
    let newer = release("1.8.0")?;
    let plan = fleet.swarm(["plan", "--all", "--root", &newer.path().display().to_string()])?;
    let planned = wording(&plan.good()?.stdout);
    assert!(
        planned.contains("web-2  -  skip  1.7.0 (SHORT)  1.8.0 (SHORT)  0  held "),
        "{planned}"
    );
    let ended = fleet.update(&newer, &[])?.good()?;
    let (row, other) = (ended.row("web-2")?, ended.row("web-1")?);
    assert_eq!((&row["outcome"], &row["code"]), (&"skipped".into(), &"held".into()), "{row}");
    // What it runs, which it was asked for.
    assert_eq!((&row["from"], &row["to"]), (&other["from"], &other["from"]), "{row}");
    ensure!(row["to"].is_string(), "{row}");
    let missed = "web-2 agent: runs 1.7.0 (SHORT), should run 1.8.0 (SHORT): held during SHORT";
    // It is out on purpose.
    assert_eq!(looked_at(&fleet, "web-2")?, (0, missed.to_owned()));
    assert!(fleet.swarm(["status"])?.good()?.stdout.contains("(held)"));
    fleet.swarm(["unhold", "web-2"])?.good()?;
    assert_eq!(looked_at(&fleet, "web-2")?, (1, missed.to_owned()));
    let why = fleet.swarm(["why", "web-2"])?.good()?.stdout;
    let said = "runs 1.7.0 (SHORT), and should run 1.8.0 (SHORT): held during SHORT";
    assert!(wording(&why).contains(said), "{why}");
    assert_eq!(looked_at(&fleet, "web-1")?, (0, String::new()));

    // What was done on the host says by whom, and clears nothing.
    let mut back = Command::new(program("updater")?);
    back.arg("rollback").arg("--config").arg(fleet.hosts[0].config()).env("SUDO_USER", "ada");
    Output::of(&mut back)?.good()?;
    let (code, by_hand) = looked_at(&fleet, "web-1")?;
    assert_eq!(code, 1);
    assert_snapshot!(by_hand, @"web-1 agent: runs 1.7.0 (SHORT), should run 1.8.0 (SHORT): rolled back on the host by ada TIME");
    Ok(())
}

#[test]
fn a_release_that_a_host_missed_is_said_while_it_is_away_and_after() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&release("1.7.0")?, &[])?.good()?;
    fleet.hosts[1].stop()?;
    let output = fleet.update(&release("1.8.0")?, &[])?;
    assert_eq!(output.code, 1, "{output:?}");
    let away =
        "web-2 agent: should run 1.8.0 (SHORT): missed in SHORT, unreachable, connect_failed";
    assert_eq!(looked_at(&fleet, "web-2")?, (1, away.to_owned()));
    fleet.hosts[1].start()?;
    let runs = away.replace("should", "runs 1.7.0 (SHORT), should");
    assert_eq!(looked_at(&fleet, "web-2")?, (1, runs));
    let rows = fleet.swarm(["--json", "status", "web-2"])?.json()?;
    let missed = &rows[0]["apps"][0]["missed"];
    assert_eq!(
        (&missed["outcome"], &missed["code"]),
        (&"unreachable".into(), &"connect_failed".into())
    );
    // What was missed and is made up for is no drift.
    fleet.update(&release("1.8.0")?, &[])?.good()?;
    assert_eq!(looked_at(&fleet, "web-2")?, (0, String::new()));
    Ok(())
}

#[test]
fn no_archive_goes_that_a_host_runs_or_would_go_back_to() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    for version in ["1.7.0", "1.8.0", "1.9.0"] {
        fleet.update(&release(version)?, &[])?.good()?;
    }
    let mut back = Command::new(program("updater")?);
    Output::of(back.arg("rollback").arg("--config").arg(fleet.hosts[0].config()))?.good()?;
    fleet.swarm(["release", "rm", "--keep", "0"])?.good()?;
    let left = fleet.swarm(["--json", "release", "list"])?.good()?.json()?;
    let left = left.as_array().context("releases")?;
    let versions: Vec<_> = left.iter().map(|it| it["version"].as_str().unwrap_or("")).collect();
    assert_eq!(versions, ["1.9.0", "1.8.0"]);
    let refused = fleet.swarm(["release", "rm", "agent@1.8.0"])?;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("web-1 runs it, or would go back to it"), "{refused:?}");

    // A log has a line an update, unless the phases are asked for; programs get all.
    let lines = |words: &[&str]| -> Result<(usize, usize)> {
        let log = fleet.swarm(words)?.good()?.stdout;
        Ok((log.matches("host.updated").count(), log.matches("host.phase").count()))
    };
    assert_eq!(lines(&["log", "web-1"])?, (3, 0));
    for words in [["log", "web-1", "--phases"], ["log", "web-1", "-v"], ["--json", "log", "web-1"]]
    {
        let (updated, phases) = lines(&words)?;
        assert!(updated == 3 && phases > 6, "{words:?}");
    }
    let log = fleet.swarm(["--json", "log", "web-1"])?.good()?.json()?;
    let last = log.as_array().and_then(|log| log.last()).context("an event")?;
    assert_eq!(last["type"], Value::from("host.operated"));
    Ok(())
}
