//! A host from the package to the purge, as a person has it: install, enroll, update, upgrade, remove.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, package};
use fleet_tests::{Setup, Tree, on_each_debian};

on_each_debian!(a_host_lives_from_its_package_to_the_purge);

fn a_host_lives_from_its_package_to_the_purge(debian: Debian) -> Result<()> {
    let setup = Setup::default().app("user", "'agent'");
    let Some(fleet) = BootedFleet::idle(debian, 1, &setup)? else { return Ok(()) };
    let member = fleet.members.first().context("a host")?;
    let machine = &member.machine;
    let config = fs::read_to_string(machine.path("/etc/updater/updater.toml"))?;
    machine.run(["rm", "-r", "/etc/updater"])?.good()?;
    let directory = tempfile::tempdir()?;
    let make = |crate_name, revision| package(crate_name, revision, directory.path());
    let (first, second, master) =
        (make("updater", "1")?, make("updater", "2")?, make("master", "1")?);
    for package in [&first, &master] {
        let needs = Command::new("dpkg-deb").arg("--field").arg(package).arg("Depends").output()?;
        let needs = String::from_utf8(needs.stdout)?;
        let libc = |need: &str| need.starts_with("libc6 ");
        ensure!(needs.trim().split(", ").all(libc), "{needs}");
    }

    // Nothing runs before there is an identity.
    let said = member.install_package(&first)?.stdout;
    ensure!(said.contains("updater enroll"), "{said}");
    for page in ["updater", "updater-enroll"] {
        machine.run(["gzip", "--test", &format!("/usr/share/man/man1/{page}.1.gz")])?.good()?;
    }
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    // The bundle, with what a person fills in.
    let config = config.replace("'/etc/updater/identity'", "'updater'");
    machine.write("/root/bundle/updater.toml", &config, 0o644)?;
    let enrolled = machine.run(["updater", "enroll", "/root/bundle"])?;
    ensure!(enrolled.code == 0, "{enrolled:?}\n{}", member.journals());
    member.answers()?;
    assert_eq!(machine.show("updater", "UnitFileState")?, "enabled");
    let service = Tree::healthy("service")?;
    member.push(&service)?.result()?;
    let agent = member.app()?.pid.context("an agent")?;
    let user = format!("ps=$(stat -c %U /proc/{agent}); echo $ps");
    assert_eq!(machine.shell(&user)?.stdout.trim(), "agent");

    // An upgrade is a new updater with the old configuration, and the same agent.
    let main = machine.show("updater", "MainPID")?;
    let kept = fs::read_to_string(machine.path("/etc/updater/updater.toml"))?;
    member.install_package(&second)?;
    member.answers()?;
    assert_ne!(machine.show("updater", "MainPID")?, main);
    assert_eq!(fs::read_to_string(machine.path("/etc/updater/updater.toml"))?, kept);
    assert_eq!(member.app()?.pid, Some(agent));

    // The other package, on a machine that has nothing else of ours.
    member.install_package(&master)?;
    let version = machine.run(["swarm", "--version"])?.good()?.stdout;
    ensure!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    machine.run(["swarm", "--home", "/root/home", "init"])?.good()?;

    // It has what it pushes.
    machine.run(["test", "-x", "/usr/lib/swarm/updater"])?.good()?;

    let remove = ["dpkg", "--remove", "swarm-updater"];
    let removed = machine.run(remove)?.good()?.stdout;
    ensure!(removed.contains("run on"), "{removed}");
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    assert!(machine.path("/etc/updater/updater.toml").exists());
    // Installed again, it is as it was.
    member.install_package(&first)?;
    member.answers()?;
    assert_eq!(machine.show("updater", "UnitFileState")?, "enabled");
    assert_eq!(member.app()?.pid, Some(agent));
    // One that does not start is told, and stops no package manager.
    machine.write("/etc/updater/updater.toml", format!("nonsense = 1\n{kept}"), 0o644)?;
    let upgraded = member.install_package(&second)?;
    ensure!(upgraded.stdout.contains("updater.service does not start"), "{upgraded:?}");
    machine.write("/etc/updater/updater.toml", &kept, 0o644)?;
    machine.run(["systemctl", "restart", "updater"])?.good()?;
    member.answers()?;

    // A purge also where one of its directories is a mount of its own.
    machine.run(remove)?.good()?;
    machine.ask(
        "mkdir -p /srv/state && mount --bind /srv/state /opt/updater && touch /opt/updater/file",
    )?;
    let purged = machine.run(["dpkg", "--purge", "swarm-updater"])?.good()?.stdout;
    ensure!(purged.contains("/opt/agent"), "{purged}");
    assert!(machine.path("/opt/agent/current").is_symlink());
    ensure!(fs::read_dir(machine.path("/opt/updater"))?.next().is_none(), "{purged}");
    for gone in ["/etc/updater", "/var/lib/updater", "/usr/bin/updater"] {
        ensure!(!machine.path(gone).exists(), "{gone} is left");
    }
    ensure!(machine.path(&format!("/proc/{agent}/cwd")).exists(), "the agent was ended");
    Ok(())
}
