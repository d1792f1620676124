//! A Debian older than this machine, where nothing runs that was built for this machine's libraries: the packages
//! do, and what they bring does there what it does elsewhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member, package};
use fleet_tests::{Example, Output, Packing, Release, Setup, Tree};

const SERVICE: &str = "/root/service";

#[test]
fn packages_of_this_machine_run_on_an_older_one() -> Result<()> {
    let example = Example::named("python");
    let setup = Setup::of_example(&example)?.app("user", "'agent'").patient();
    let Some(fleet) = BootedFleet::idle(Debian::Former, 2, &setup)? else { return Ok(()) };
    let [member, desk] = &fleet.members[..] else { anyhow::bail!("not two hosts") };
    let packaged = package("updater")?;
    desk.install_package(&package("master")?)?;
    fleet.move_master(desk)?;
    member.install_package(&packaged)?;
    member.machine.ask("systemctl enable --now updater")?;
    member.answers()?;

    let update = |from: &str, to: &str| -> Result<Output> {
        let tree = example.tree(member.agent)?;
        tree.replace("server.py", from, to)?;
        desk.machine.ask(&format!("rm -rf {SERVICE}"))?;
        desk.copy_tree(tree.path(), SERVICE)?;
        desk.swarm(["--json", "update", "--host", "web-1", "--root", SERVICE])
    };
    for release in ["release 1", "release 2"] {
        update("release 1", release)?.good().with_context(|| member.journals())?;
    }
    let bad = update("from http", "from no_such")?;
    ensure!(bad.row("web-1")?["outcome"] == "rolled_back", "{bad:?}");
    let code = member.machine.ask("cat /opt/agent/current/server.py")?;
    ensure!(code.contains("release 2"), "{code}");
    desk.swarm(["drill", "--host", "web-1"])?.good().with_context(|| member.journals())?;
    a_bad_updater_is_taken_back(member, desk, &packaged)?;
    its_scripts_do_what_rpm_asks(member)
}

/// One that is healthy while it is tried, and dies from its next start on.
fn a_bad_updater_is_taken_back(member: &Member, desk: &Member, packaged: &Path) -> Result<()> {
    let good = member.health()?.digest;
    let bad = doomed(packaged)?;
    desk.machine.write("/root/bad.tar.zst", &bad.bytes, 0o644)?;
    let update = ["update", "--host", "web-1", "--self-only", "--updater-archive"];
    let taken = desk.swarm(update.into_iter().chain(["/root/bad.tar.zst"]))?;
    ensure!(taken.code == 0, "{taken:?}\n{}", member.journals());
    member.is_now(&bad.digest)?;
    member.kill_updater()?;
    member.is_now(&good)
}

/// No system with rpm is booted here; its packages have the same scripts, which it calls with numbers.
fn its_scripts_do_what_rpm_asks(member: &Member) -> Result<()> {
    let machine = &member.machine;
    let script = |name: &str, argument: &str| -> Result<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/updater").join(name);
        machine.copy(&source, "/root/script", 0o755)?;
        // Without what only Debian has.
        machine.ask("rm -f /usr/bin/deb-systemd-invoke")?;
        machine.ask(&format!("/root/script {argument}"))
    };
    let main = member.main_process()?;
    script("postinst", "2")?;
    member.is_another(&main)?;
    member.answers()?;
    let main = member.main_process()?;
    script("prerm", "1")?;
    assert_eq!(member.main_process()?, main, "an upgrade's old package stopped it");
    script("prerm", "0")?;
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    let said = script("postrm", "0")?;
    ensure!(said.contains("Kept: /etc/updater"), "{said}");
    ensure!(machine.path("/etc/updater/updater.toml").exists(), "it was purged");
    // Installed again, it runs as it did.
    script("postinst", "1")?;
    member.answers()
}

fn doomed(packaged: &Path) -> Result<Release> {
    let unpacked = tempfile::tempdir()?;
    let mut extract = Command::new("dpkg-deb");
    Output::of(extract.arg("--extract").arg(packaged).arg(unpacked.path()))?.good()?;
    let tree = Tree::empty()?;
    tree.program(
        "bin/updater",
        "#!/bin/sh\n[ \"$1\" = check ] || [ -n \"$UPDATER_CANDIDATE\" ] || exit 3\n\
         exec \"$(dirname \"$0\")/real\" \"$@\"\n",
    )?;
    fs::copy(unpacked.path().join("usr/bin/updater"), tree.path().join("bin/real"))?;
    tree.pack(Packing::Zstd)
}
