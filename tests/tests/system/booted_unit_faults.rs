//! What is said of units that do not come up: their last lines, also by an alias; which command failed, and which
//! line of a file.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{Behaviour, Packing, Setup, Tree, on_each_debian};
use protocol::{Problem, Status};

on_each_debian!(a_unit_that_does_not_come_up_is_told_with_its_cause);

const AGENT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n";

fn a_unit_that_does_not_come_up_is_told_with_its_cause(debian: Debian) -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .run("kind", "'systemd'")
        .run("units", "['alias.service', 'extra.service']")
        .run("unit_files", "['extra.service']");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = fleet.members.first().context("a host")?;
    let machine = &host.machine;
    machine.add_drop_in("units.conf")?;
    machine.write("/etc/systemd/system/agent.service", AGENT, 0o644)?;
    machine.ask(
        "ln -s agent.service /etc/systemd/system/alias.service
         systemctl daemon-reload && systemctl restart updater",
    )?;
    host.answers()?;
    let sleeps = "[Service]\nExecStart=/bin/sleep infinity\n";
    let good = shipping(&Behaviour::default(), sleeps)?.pack(Packing::Zstd)?;
    ensure!(host.push(&good)?.result()?.status == Status::Updated, "{}", host.journals());

    let crash = Behaviour { crash: Some("its last words".to_owned()), ..Behaviour::default() };
    let problem = refused(host, &shipping(&crash, sleeps)?)?;
    ensure!(problem.output.iter().any(|line| line == "its last words"), "{problem:?}");

    // The journal has each run by itself.
    let logs = |words: &[&str]| -> Result<String> {
        Ok(fleet.swarm(["logs", "web-1"].iter().chain(words))?.good()?.stdout)
    };
    let (last, previous) = (logs(&[])?, logs(&["--previous"])?);
    let said = "its last words\n";
    ensure!(previous.contains(said) && !last.contains(said), "{previous}\n---\n{last}");
    ensure!(last.contains("listening on") && last.contains("agent.service"), "{last}");
    assert_eq!(logs(&["--lines", "1"])?.lines().count(), 1);
    let before = "[Service]\nExecStartPre=/bin/sh -c 'exit 7'\nExecStart=/bin/sleep infinity\n";
    let problem = refused(host, &shipping(&Behaviour::default(), before)?)?;
    let cause = "extra.service: it did not start: its ExecStartPre=/bin/sh exited with status 7";
    ensure!(problem.detail.contains(cause), "{problem:?}");
    let typo = "[Service]\nExecStart=./sleep infinity\n";
    let problem = refused(host, &shipping(&Behaviour::default(), typo)?)?;
    ensure!(problem.detail.contains("/etc/systemd/system/extra.service:2: "), "{problem:?}");
    host.runs(&good.digest)
}

fn shipping(behaviour: &Behaviour, extra: &str) -> Result<Tree> {
    let tree = Tree::agent(behaviour)?;
    tree.units(&[("extra.service", extra)])?;
    Ok(tree)
}

fn refused(host: &Member, tree: &Tree) -> Result<Problem> {
    host.push(&tree.pack(Packing::Zstd)?)?.problem().with_context(|| host.journals())
}
