//! A master that was restored from an older backup.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Fleet, Output, Packing, Setup, Tree};
use protocol::{Code, header};
use serde_json::json;

/// Puts a copy of the master's home aside, and another one in its place.
struct Backup {
    home: PathBuf,
    copy: PathBuf,
}

impl Backup {
    fn of(fleet: &Fleet) -> Result<Self> {
        let backup = Self { home: fleet.home(), copy: fleet.sandbox().path().join("backup") };
        Output::of(Command::new("cp").arg("-a").arg(&backup.home).arg(&backup.copy))?.good()?;
        Ok(backup)
    }

    fn restore(self) -> Result<()> {
        fs::rename(&self.home, self.home.with_extension("lost"))?;
        Ok(fs::rename(&self.copy, &self.home)?)
    }
}

#[test]
fn a_master_that_was_restored_is_taken_with_its_next_update_or_rollback() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    assert_eq!(fleet.update(&Tree::saying("begun")?, &["--approve", "start"])?.code, 3);
    let begun = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?[0]["id"].clone();
    let begun = begun.as_str().context("a rollout that waits")?;
    let backup = Backup::of(&fleet)?;
    // What the backup does not know: its hosts have seen a higher epoch.
    fleet.swarm(["rollout", "reject", begun])?.good()?;
    fleet.swarm(["init", "--take-over"])?.good()?;
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    fleet.swarm(["rollback", "--all"])?.good()?;
    let seen = fleet.hosts[0].health()?.epoch;
    backup.restore()?;

    // What was begun before goes on under its own epoch, and to look does not take over.
    let refused = fleet.swarm(["--json", "rollout", "approve", begun])?;
    assert_eq!(refused.row("web-1")?["code"], "stale_master", "{refused:?}");
    fleet.swarm(["rollout", "abort", begun])?;
    let three = Tree::saying("three")?;
    let root = three.path().display().to_string();
    let planned = fleet.swarm(["plan", "--all", "--root", &root])?.good()?;
    let says = format!("has seen the epoch {seen}, and this master's");
    ensure!(planned.stderr.contains(&says), "{planned:?}");
    let release = three.pack(Packing::Zstd)?;
    let order = fleet.hosts[0].order("/update", &release).header(header::EPOCH, "1").send()?;
    assert_eq!(order.problem()?.code, Code::StaleMaster);
    assert_eq!(fleet.hosts[0].ask_agent("/health")?["message"], "one");

    let pushed = fleet.update(&three, &[])?.good()?;
    let told = pushed.lines()?.into_iter().find(|line| line["type"] == "master.took_over");
    let told = told.with_context(|| format!("{pushed:?}"))?;
    assert_eq!((&told["data"]["seen"], &told["data"]["epoch"]), (&json!(seen), &json!(seen + 1)));
    for host in &fleet.hosts {
        assert_eq!(host.ask_agent("/health")?["message"], "three");
        assert_eq!(host.health()?.epoch, seen + 1);
    }
    let back = fleet.swarm(["rollback", "--all"])?.good()?;
    ensure!(!back.stderr.contains("has seen the epoch"), "it is said once: {back:?}");
    Ok(())
}

#[test]
fn a_take_over_asks_all_hosts_and_a_host_that_lies_does_not_use_the_numbers_up() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let took = fleet.swarm(["--json", "init", "--take-over"])?.good()?.json()?;
    ensure!(took["epoch"].as_u64() > Some(1), "{took}");
    assert_eq!((&took["seen"], &took["silent"]), (&json!(1), &json!([])));

    let liar = &fleet.hosts[1];
    liar.kill()?;
    let file = liar.state().join("../../epoch.json");
    fs::write(&file, json!({"format": 1, "highest": 1_u64 << 60}).to_string())?;
    liar.start()?;
    let refused = fleet.update(&Tree::saying("two")?, &[])?;
    assert_eq!(refused.code, 1, "{refused:?}");
    ensure!(refused.stderr.contains("web-2 says that it has seen"), "{refused:?}");
    ensure!(refused.stderr.contains("swarm init --take-over"), "{refused:?}");
    let again = fleet.swarm(["--json", "init", "--take-over"])?.good()?.json()?;
    ensure!(again["epoch"].as_u64() < Some(1 << 53), "{again}");
    assert_eq!(again["impossible"], json!(["web-2"]));
    Ok(())
}
