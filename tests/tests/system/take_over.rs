//! A master that was restored from an older backup.

use std::process::Command;

use anyhow::{Result, ensure};
use fleet_tests::{Fleet, Output, Packing, Setup, Tree};
use protocol::{Code, header};

#[test]
fn a_master_that_was_restored_takes_over_and_orders_again() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default())?;
    fleet.update(&Tree::saying("one")?, &[])?.good()?;
    let (home, backup) = (fleet.home(), fleet.sandbox().path().join("backup"));
    Output::of(Command::new("cp").arg("-a").arg(&home).arg(&backup))?.good()?;
    // What the backup does not know: its hosts have seen a higher epoch.
    fleet.swarm(["init", "--take-over"])?.good()?;
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    let seen = fleet.hosts[0].health()?.epoch;

    std::fs::rename(&home, home.with_extension("lost"))?;
    std::fs::rename(&backup, &home)?;
    let three = Tree::saying("three")?;
    let refused = fleet.update(&three, &[])?;
    assert_eq!(refused.code, 1, "{refused:?}");
    ensure!(refused.stderr.contains(&format!("has seen the epoch {seen}")), "{refused:?}");
    ensure!(refused.stderr.contains("swarm init --take-over"), "{refused:?}");
    // The hosts refuse it too, whatever such a master looks at before.
    let release = three.pack(Packing::Zstd)?;
    let order = fleet.hosts[0].order("/update", &release).header(header::EPOCH, "1").send()?;
    assert_eq!(order.problem()?.code, Code::StaleMaster);
    assert_eq!(fleet.hosts[0].ask_agent("/health")?["message"], "two");

    let took = fleet.swarm(["--json", "init", "--take-over"])?.good()?.json()?;
    ensure!(took["epoch"].as_u64() > Some(seen), "{took}");
    assert_eq!((&took["seen"], &took["silent"]), (&seen.into(), &serde_json::json!([])));
    fleet.update(&three, &[])?.good()?;
    for host in &fleet.hosts {
        assert_eq!(host.ask_agent("/health")?["message"], "three");
        assert_eq!(host.health()?.epoch, took["epoch"].as_u64().unwrap_or_default());
    }
    Ok(())
}
