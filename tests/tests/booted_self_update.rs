//! The updater replaces itself under systemd, and one that is no good is refused, ended or put back.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Outcome, Status};

/// An updater that does what `script` says before it is one; on a host without `script`'s files it
/// is like any other.
fn wrapped(note: &str, script: &str) -> Result<Release> {
    let tree = Tree::updater(note)?;
    let (program, real) = (tree.path().join("bin/updater"), tree.path().join("bin/real"));
    fs::rename(&program, real)?;
    let run = "exec \"$(dirname \"$0\")/real\" \"$@\"";
    tree.program("bin/updater", &format!("#!/bin/sh\n{script}\n{run}\n"))?;
    tree.pack(Packing::Zstd)
}

fn main_process(member: &Member) -> Result<String> {
    member.machine.show("updater", "MainPID")
}

/// Waits until the unit is another process than this, which is in charge.
fn is_another(member: &Member, main: &str) -> Result<()> {
    eventually("the unit to be the new process", LONG, || {
        let now = main_process(member).ok()?;
        let active = member.machine.show("updater", "ActiveState").ok()? == "active";
        (now != main && active).then_some(())
    })
    .with_context(|| member.journals())
}

/// Kills the updater, and nothing else of its control group.
fn kill(member: &Member) -> Result<()> {
    let kill = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "updater"];
    member.machine.run(kill)?.good().map(|_| ())
}

#[test]
fn lesson_21_a_fleet_replaces_its_updaters_but_for_the_broken_one() -> Result<()> {
    let Some(fleet) = BootedFleet::of(3, &Setup::default())? else { return Ok(()) };
    let broken = fleet.members.last().context("a host")?;
    broken.machine.write("/etc/no-new-updater", "", 0o644)?;
    let release =
        wrapped("fleet", "if [ -e /etc/no-new-updater ]; then echo broken here >&2; exit 1; fi")?;
    let files = tempfile::tempdir()?;
    let archive = files.path().join("updater.tar.zst");
    fs::write(&archive, &release.bytes)?;
    let before = broken.health()?.digest;
    let mains: Vec<String> = fleet.members.iter().map(main_process).collect::<Result<_>>()?;

    let service = Tree::agent(&Behaviour::default())?;
    let (root, archive) = (service.path().display().to_string(), archive.display().to_string());
    let mut arguments = vec!["--json", "update", "--all", "--root", &root, "--include-self"];
    arguments.extend(["--updater-archive", &archive, "--max-consecutive-failures", "3"]);
    let output = fleet.swarm(arguments)?;
    ensure!(output.code == 1, "{output:?}\n{}", broken.journals());
    for (member, main) in fleet.members.iter().zip(&mains) {
        let name = &member.machine.name;
        if name == "web-3" {
            assert_eq!(output.row(name)?["outcome"], "failed", "{output:?}");
            assert!(output.stdout.contains("broken here"), "{output:?}");
            assert_eq!(member.health()?.digest, before);
            assert_eq!(main_process(member)?, *main);
            continue;
        }
        assert_eq!(output.row(name)?["outcome"], "updated", "{output:?}");
        member.is_now(&release.digest)?;
        // Systemd neither started it nor restarted it.
        is_another(member, main)?;
        assert_eq!(member.machine.show("updater", "NRestarts")?, "0");
        assert!(member.app()?.pid.is_some(), "the agent was lost: {}", member.journals());
        // It is what a boot starts.
        member.machine.run(["systemctl", "restart", "updater"])?.good()?;
        member.is_now(&release.digest)?;
    }
    Ok(())
}

#[test]
fn lesson_21_an_updater_that_keeps_dying_is_put_back_by_the_rescue_unit() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let service = Tree::healthy("service")?;
    member.push(&service)?.result()?;
    let (before, agent) = (member.health()?.digest, member.app()?.pid);
    let main = main_process(member)?;

    // It takes over, and no later start of it succeeds.
    let doomed =
        wrapped("doomed", "[ \"$1\" = check ] || [ -n \"$UPDATER_CANDIDATE\" ] || exit 3")?;
    assert_eq!(member.push_self(&doomed)?.result()?.status, Status::SelfUpdateQueued);
    member.is_now(&doomed.digest)?;
    is_another(member, &main)?;
    kill(member)?;

    member.is_now(&before)?;
    let last = eventually("the rescue to be written down", LONG, || {
        member.own_history().ok()?.pop().filter(|last| last.caller == "rescue")
    })
    .with_context(|| member.journals())?;
    assert_eq!(
        (last.outcome, last.from, last.to),
        (Outcome::RolledBack, Some(doomed.digest), Some(before))
    );
    assert_eq!(member.app()?.pid, agent, "the agent was lost");
    assert!(!member.machine.path("/opt/updater/releases/rescued").is_symlink());
    let active = || {
        let active = member.machine.show("updater", "ActiveState").ok()? == "active";
        let rescued = member.machine.show("updater-rescue", "ActiveState").ok()? == "inactive";
        (active && rescued).then_some(())
    };
    eventually("the units to be at rest", LONG, active).with_context(|| member.journals())?;

    // A configuration that no updater could use is nobody's release's fault. The rescue waits, and does
    // not touch what is installed.
    let config = fs::read_to_string(member.machine.path("/etc/updater/updater.toml"))?;
    member.machine.write("/etc/updater/updater.toml", "nonsense = true\n", 0o644)?;
    kill(member)?;
    eventually("the rescue to wait", LONG, || {
        member
            .machine
            .journal("updater-rescue")
            .contains("Trying again in 30 seconds")
            .then_some(())
    })
    .with_context(|| member.journals())?;
    member.machine.write("/etc/updater/updater.toml", config, 0o644)?;
    // A person need not wait with it.
    member.machine.shell("systemctl reset-failed updater; systemctl restart updater")?.good()?;
    member.is_now(&before)?;
    eventually("the units to be at rest", LONG, active).with_context(|| member.journals())?;
    assert!(member.machine.path("/opt/updater/releases/active").is_symlink());
    Ok(())
}

#[test]
fn what_would_break_the_host_is_refused_before_the_switch() -> Result<()> {
    let Some(fleet) = BootedFleet::of(1, &Setup::default())? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    let (before, main) = (member.health()?.digest, main_process(member)?);
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
    assert_eq!(main_process(member)?, main);

    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    assert_eq!(member.push_self(&next)?.result()?.status, Status::SelfUpdateQueued);
    member.is_now(&next.digest)
}
