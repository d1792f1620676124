//! Drills: on the real machine, beside real apps, which do not notice.
//!
//! Small disks are mounted here, which takes root; for anyone else these tests fail and say so.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::volume::{Volume, alone_with_mounts};
use fleet_tests::{
    Fleet, Host, LONG, Packing, Setup, Tree, entries_below, eventually, host, processes_of,
    program, wording,
};
use insta::assert_snapshot;
use protocol::{CallerKind, Code, DrillLine, DrillReport, DrillStatus, header};

/// Every file of a host but those that an order for a drill may make: what is kept of it.
fn files(host: &Host) -> Result<BTreeSet<PathBuf>> {
    let kept = ["state/drill.json", "state/drill.lock", "state/epoch.json"].map(PathBuf::from);
    let found = entries_below(&host.directory, &[])?.into_keys();
    Ok(found.filter(|path| !kept.contains(path)).collect())
}

/// A drill by its updater, to its end.
fn drilled(host: &Host) -> Result<DrillReport> {
    let call = host.master().post("/drill").header("accept", header::NDJSON);
    let last = call.lines()?.until("\"type\":\"result\"")?;
    match serde_json::from_str(&last)? {
        DrillLine::Result(report) => Ok(*report),
        DrillLine::Step(step) => anyhow::bail!("it ends with {step:?}"),
    }
}

/// Nothing of a drill is left, and what was there before is as it was.
fn nothing_is_left(host: &Host, before: &BTreeSet<PathBuf>) -> Result<()> {
    let after = files(host)?;
    let (new, gone): (Vec<_>, Vec<_>) =
        (after.difference(before).collect(), before.difference(&after).collect());
    ensure!(new.is_empty() && gone.is_empty(), "left: {new:?}; gone: {gone:?}");
    eventually("the drill's agent to be gone", LONG, || {
        processes_of(&host.install().join(".drill")).is_empty().then_some(())
    })
}

#[test]
fn a_host_drills_and_its_agent_does_not_notice() -> Result<()> {
    let ran = tempfile::tempdir()?;
    let touch = |name: &str| format!("['touch', {:?}]", ran.path().join(name));
    let hooks = format!("{{ before_switch = {}, after_switch = [] }}", touch("hook"));
    let migrations = format!("{{ up = {}, down = [], backup = [] }}", touch("migration"));
    let setup = Setup::default()
        .app("build", "['sh', '-c', 'true']")
        .app("hooks", &hooks)
        .app("migrations", &migrations);
    let fleet = Fleet::of(1, &setup)?;
    let host = fleet.hosts.first().context("a host")?;
    host.installs("real")?;
    for marker in ["hook", "migration"] {
        fs::remove_file(ran.path().join(marker)).context(marker)?;
    }
    let (agent, before) = (host.app()?.pid, files(host)?);
    let output = fleet.swarm(["--json", "drill", "--host", "web-1"])?.good()?;
    let summary = output.stdout.lines().last().context("a summary")?;
    let summary: serde_json::Value = serde_json::from_str(summary)?;
    assert_eq!(summary["type"], "drill.summary");
    assert_eq!(summary["hosts"][0]["status"], "passed", "{summary}");
    assert_eq!(host.app()?.pid, agent);
    nothing_is_left(host, &before)?;
    host.rests()?;
    // The host and the master both remember it, the host over a restart.
    host.kill()?;
    host.start()?;
    let report = host.health()?.drill.context("the last drill")?;
    assert_eq!((report.status, report.caller), (DrillStatus::Passed, CallerKind::Master));
    for step in ["install", "flip", "kill:agent_started", "recovery:agent_started", "rollback"] {
        assert!(report.steps.iter().any(|found| found.step == step), "{step} is missing");
    }
    let shown = fleet.swarm(["show", "web-1"])?.good()?.stdout;
    assert!(shown.contains("last drill") && shown.contains("rollback "), "{shown}");

    // Whoever is on the host drills too, through the updater or without it.
    for alive in [true, false] {
        if !alive {
            host.kill()?;
        }
        let mut drill = Command::new(program("updater")?);
        let output = drill.args(["drill", "--json", "--config"]).arg(host.config()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        nothing_is_left(host, &before)?;
    }
    // What the host runs around its own updates works on real data.
    assert_eq!(fs::read_dir(ran.path())?.count(), 0);
    Ok(())
}

#[test]
fn a_drill_beside_an_app_with_a_user_passes_as_that_user() -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "only root can run an agent as another user");
    let setup = Setup::default().app("user", "'games'").app("build", "['sh', '-c', 'true']");
    let host = Host::alone(&setup)?;
    let tree = Tree::empty()?;
    tree.program("bin/agent", include_str!("../../data/agent.py"))?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    let (agent, before) = (host.app()?.pid, files(&host)?);
    let report = drilled(&host)?;
    assert_eq!((report.status, report.detail), (DrillStatus::Passed, None));
    assert_eq!(host.app()?.pid, agent);
    nothing_is_left(&host, &before)
}

#[test]
fn a_drill_that_fails_says_where_and_why_and_leaves_nothing() -> Result<()> {
    alone_with_mounts()?;
    let host = Host::alone_and_idle(&Setup::default())?;
    let _state = Volume::small(&host.directory.join("state"), 8 << 20, 512)?;
    host.start()?;
    host.installs("real")?;
    let (agent, before) = (host.app()?.pid, files(&host)?);
    let filler = host.directory.join("state/filler");
    fill(&filler)?;
    let report = drilled(&host)?;
    assert_eq!((report.status, &report.code), (DrillStatus::Failed, &Some(Code::DrillFailed)));
    let failed = report.steps.iter().find(|step| !step.passed).context("a failed step")?;
    let why = failed.detail.as_deref().unwrap_or_default();
    assert!(why.contains("No space left"), "{report:?}");
    assert_eq!(host.health()?.drill.context("the last drill")?, report);
    fs::remove_file(&filler)?;
    nothing_is_left(&host, &before)?;
    assert_eq!(host.app()?.pid, agent);
    // There is room again.
    assert_eq!(drilled(&host)?.detail, None);
    nothing_is_left(&host, &before)
}

/// Takes all that is free.
fn fill(file: &std::path::Path) -> Result<()> {
    let status = Command::new("dd")
        .args(["if=/dev/zero", "bs=4096", "status=none"])
        .arg(format!("of={}", file.display()))
        .stderr(Stdio::null())
        .status()?;
    ensure!(!status.success(), "the disk did not fill up");
    Ok(())
}

#[test]
fn a_disk_on_which_nothing_may_be_executed_is_found_out() -> Result<()> {
    alone_with_mounts()?;
    let setup = Setup::default().limits("reserve_bytes", "'1B'").limits("reserve_inodes", "1");
    let host = Host::alone_and_idle(&setup)?;
    let install = host.install();
    let _install = Volume::small(&install, 8 << 20, 512)?;
    let noexec = Command::new("mount").args(["-o", "remount,noexec"]).arg(&install).status()?;
    ensure!(noexec.success(), "the disk could not be mounted again");
    host.start()?;
    let before = files(&host)?;
    let problem = host.master().post("/drill").send()?.problem()?;
    assert_eq!(problem.code, Code::DrillFailed);
    assert_snapshot!(wording(&problem.detail), @"install: failed to carry this out: failed to start the agent: start SANDBOX/web-1/install/.drill/releases/store/HEX/./agent as root: Permission denied (os error 13); nothing was here before, so nothing runs");
    nothing_is_left(&host, &before)
}

#[test]
fn a_drill_that_was_cut_short_is_swept_up_and_none_begins_in_a_transaction() -> Result<()> {
    let host = host()?;
    host.installs("real")?;
    let before = files(&host)?;
    let mut lines = host.master().post("/drill").header("accept", header::NDJSON).lines()?;
    lines.until("\"update\"")?;
    let busy = host.master().post("/drill").send()?.problem()?;
    assert_eq!(busy.code, Code::UpdateInProgress, "{busy:?}");
    host.kill()?;
    host.start()?;
    nothing_is_left(&host, &before)?;

    let release = Tree::healthy("watched")?;
    drop(host.order_until_watched(&release)?);
    let busy = host.master().post("/drill").send()?.problem()?;
    assert_eq!(busy.code, Code::UpdateInProgress, "{busy:?}");
    assert!(busy.holder.is_some(), "{busy:?}");
    Ok(())
}
