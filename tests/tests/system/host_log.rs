//! `swarm log`: what was done on a host itself is in it, beside what the master did.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Fleet, Host, Output, Setup, Tree, program, wording};
use insta::assert_snapshot;
use protocol::{FORMAT, HostHistory, HostHistoryEntry, OperationKind};
use serde_json::Value;

/// Types a command on the host, as `ada`.
fn updater(host: &Host, words: &[&str]) -> Result<Output> {
    let mut command = Command::new(program("updater")?);
    Output::of(command.args(words).arg("--config").arg(host.config()).env("SUDO_USER", "ada"))
}

/// What the log of a host says of what was done there, and its updates by the master.
fn log(fleet: &Fleet, host: &str) -> Result<String> {
    let log = fleet.swarm(["log", host])?.good()?;
    let short = |line: &str| match line.split_once("host.updated") {
        Some((time, _)) => format!("{time}host.updated"),
        None => line.to_owned(),
    };
    let shown = log
        .stdout
        .lines()
        .filter(|line| line.contains("on the host") || line.contains("host.updated"));
    Ok(shown.map(|line| wording(&short(line))).collect::<Vec<_>>().join("\n"))
}

#[test]
fn what_was_done_on_a_host_is_in_its_log_and_a_host_that_is_down_has_the_rest() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let host = &fleet.hosts[0];
    for version in ["1.7.0", "1.8.0"] {
        let tree = Tree::saying(version)?;
        tree.file("release.toml", &format!("name = 'agent'\nversion = '{version}'\n"))?;
        fleet.update(&tree, &[])?.good()?;
    }
    updater(host, &["stop"])?.good()?;
    updater(host, &["start"])?.good()?;
    updater(host, &["rollback"])?.good()?;
    assert_snapshot!(log(&fleet, "web-1")?, @r"
    TIME  host.updated
    TIME  host.updated
    TIME  stopped on the host by ada  1.8.0 (SHORT)
    TIME  started on the host by ada  1.8.0 (SHORT)
    TIME  rolled back on the host by ada  1.8.0 (SHORT) -> 1.7.0 (SHORT)
    ");

    // The same, for programs: one document, with the newest last.
    let events = fleet.swarm(["--json", "log", "web-1"])?.good()?.json()?;
    let operated = |event: &&Value| event["type"] == "host.operated";
    let events = events.as_array().context("events")?;
    let told: Vec<_> = events
        .iter()
        .filter(operated)
        .map(|event| {
            assert_eq!((&event["who"], &event["host"]), (&"ada".into(), &"web-1".into()));
            event["data"]["operation"].as_str().unwrap_or_default()
        })
        .collect();
    assert_eq!(told, ["stop", "start", "rollback"]);

    // The host itself has all of it, the newest first.
    let history: HostHistory = host.master().get("/history?app=agent")?.json()?;
    assert_eq!((history.format, history.app.as_str(), history.entries.len()), (FORMAT, "agent", 5));
    assert!(history.entries.is_sorted_by_key(|entry| std::cmp::Reverse(entry.ended_at())));
    let HostHistoryEntry::Operation(start) = &history.entries[1] else { panic!("{history:?}") };
    assert_eq!(start.operation, OperationKind::Start);

    let why = fleet.swarm(["why", "web-1"])?.good()?;
    let step = "next: to bring it back: swarm update web-1 --release ";
    ensure!(why.stdout.contains(step), "{why:?}");

    // What is done while the updater is dead is told by the next one.
    host.kill()?;
    updater(host, &["restart"])?.good()?;
    let down = fleet.swarm(["log", "web-1"])?.good()?;
    assert!(
        down.stdout.contains("host.enrolled") && !down.stdout.contains("on the host"),
        "{down:?}"
    );
    let note = "what was done on web-1 itself is not in this log, as it could not be asked: failed to connect";
    assert!(down.stderr.starts_with(note) && down.stderr.lines().count() == 1, "{down:?}");
    host.start()?;
    assert!(log(&fleet, "web-1")?.ends_with("restarted on the host by ada  1.7.0 (SHORT)"));
    Ok(())
}
