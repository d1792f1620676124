//! The updater replaces itself under systemd, and one that is no good is refused or ended.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, Packing, Release, Setup, Tree};
use protocol::{Code, Status};

#[test]
fn lesson_21_a_fleet_replaces_its_updaters_but_for_the_broken_one() -> Result<()> {
    let Some(fleet) = BootedFleet::of(6, &Setup::default())? else { return Ok(()) };
    let (broken, others) = fleet.members.split_last().context("a host")?;
    broken.machine.write("/etc/no-new-updater", "", 0o644)?;
    let release = Tree::updater_behind(
        "fleet",
        "[ ! -e /etc/no-new-updater ] || { echo broken here >&2; exit 1; }",
    )?;
    let files = tempfile::tempdir()?;
    let archive = files.path().join("updater.tar.zst");
    fs::write(&archive, &release.bytes)?;
    let before = broken.health()?.digest;
    let main = |member: &Member| Ok((member.machine.name.clone(), member.main_process()?));
    let mains: BTreeMap<_, _> = fleet.members.iter().map(main).collect::<Result<_>>()?;

    let service = Tree::agent(&Behaviour::default())?;
    let (root, archive) = (service.path().display().to_string(), archive.display().to_string());
    let mut arguments = vec!["--json", "update", "--all", "--root", &root, "--include-self"];
    arguments.extend(["--updater-archive", &archive, "--max-consecutive-failures", "3"]);
    let output = fleet.swarm(arguments)?;
    ensure!(output.code == 1, "{output:?}\n{}", broken.journals());
    assert_eq!(output.row(&broken.machine.name)?["outcome"], "failed", "{output:?}");
    assert!(output.stdout.contains("broken here"), "{output:?}");
    for other in others {
        assert_eq!(output.row(&other.machine.name)?["outcome"], "updated", "{output:?}");
    }
    fleet.each(|member| {
        let name = &member.machine.name;
        let main = mains.get(name).context("it was looked at before")?;
        if *name == broken.machine.name {
            ensure!(member.health()?.digest == before && member.main_process()? == *main);
        } else {
            member.is_now(&release.digest)?;
            // Systemd neither started it nor restarted it.
            member.is_another(main)?;
            ensure!(member.machine.show("updater", "NRestarts")? == "0");
            // It is what a boot starts.
            member.machine.run(["systemctl", "restart", "updater"])?.good()?;
            member.is_now(&release.digest)?;
        }
        ensure!(member.app()?.pid.is_some(), "the agent was lost: {}", member.journals());
        member.rests()
    })
}

#[test]
fn what_would_break_the_host_is_refused_before_the_switch() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    let (before, main) = (member.health()?.digest, member.main_process()?);
    let refused = |release: &Release, part: &str| -> Result<()> {
        let problem = member.push_self(release)?.problem()?;
        ensure!(problem.code == Code::SelfUpdateFailed, "{problem:?}");
        let told = format!("{} {}", problem.detail, problem.output.join(" "));
        ensure!(told.contains(part), "{part} is not in: {told}");
        ensure!(member.health()?.digest == before, "it was switched to");
        Ok(())
    };
    // For another machine.
    let tree = Tree::updater("foreign")?;
    let program = tree.path().join("bin/updater");
    let mut bytes = fs::read(&program)?;
    bytes[18..20].copy_from_slice(&[0xf3, 0]);
    fs::write(&program, bytes)?;
    refused(&tree.pack(Packing::Zstd)?, "built for riscv64")?;

    // What it would listen on from its next start.
    let config = fs::read_to_string(machine.path("/etc/updater/updater.toml"))?;
    machine.write("/etc/updater/updater.toml", config.replace(":8766", ":8799"), 0o644)?;
    refused(&Tree::updater("moved")?.pack(Packing::Zstd)?, "0.0.0.0:8799")?;
    machine.write("/etc/updater/updater.toml", config, 0o644)?;

    // The key of its identity.
    machine.run(["chmod", "0644", "/etc/updater/identity/updater.key"])?.good()?;
    refused(&Tree::updater("open")?.pack(Packing::Zstd)?, "updater.key")?;
    machine.run(["chmod", "0600", "/etc/updater/identity/updater.key"])?.good()?;
    assert_eq!(member.main_process()?, main);

    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    assert_eq!(member.push_self(&next)?.result()?.status, Status::SelfUpdateQueued);
    member.is_now(&next.digest)
}
