//! A host from the package to the purge, as a person has it: install, enroll, updates of the program and of the
//! updater, upgrades, removal. The master is another host, that has the other package and nothing else.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member, next_package, package};
use fleet_tests::{Behaviour, LONG, Setup, Tree, eventually, on_each_debian};
use protocol::{Digest, Outcome, Phase, Status};

on_each_debian!(a_host_lives_from_its_package_to_the_purge);

fn a_host_lives_from_its_package_to_the_purge(debian: Debian) -> Result<()> {
    let Some(fleet) = BootedFleet::idle(debian, 2, &Setup::default())? else { return Ok(()) };
    let [member, desk] = &fleet.members[..] else { anyhow::bail!("not two hosts") };
    let files = tempfile::tempdir()?;
    let (first, master) = (package("updater")?, package("master")?);
    let [second, third] = [2, 3].map(|revision| next_package(&first, revision, files.path()));
    for package in [&first, &master] {
        let needs = Command::new("dpkg-deb").arg("--field").arg(package).arg("Depends").output()?;
        let needs = String::from_utf8(needs.stdout)?;
        let libc = |need: &str| need.starts_with("libc6 ");
        ensure!(needs.trim().split(", ").all(libc), "{needs}");
    }
    desk.install_package(&master)?;
    fleet.move_master(desk)?;

    is_enrolled(member, &first)?;
    let packaged = member.health()?.digest;
    for number in 1..=10 {
        let service = Tree::healthy(&format!("service {number}"))?;
        member.push(&service)?.result()?;
        member.runs(&service.digest)?;
    }
    // The journal knows what a transaction's end means.
    let explained = member
        .machine
        .ask("journalctl -x -u updater MESSAGE_ID=e6e4043c42504aa4acbfd3c7946fc318")?;
    ensure!(explained.contains("A transaction of the app agent ended: updated"), "{explained}");
    for page in ["man8/updater-enroll.8.gz", "man5/updater.toml.5.gz", "man5/release.toml.5.gz"] {
        member.machine.ask(&format!("gzip --test /usr/share/man/{page}"))?;
    }
    desk.machine.ask("gzip --test /usr/share/man/man5/swarm.toml.5.gz")?;
    let agent = member.app()?.pid.context("an agent")?;
    let user = member.machine.ask(&format!("stat -c %U /proc/{agent}"))?;
    assert_eq!(user, "agent", "it is not what the package made and the bundle proposed");
    let pushed = updaters_are_pushed(member, desk)?;
    ensure!(pushed != packaged, "it is the package's still");
    let unattended = debian == Debian::This;
    a_newer_package_is_told_and_a_build_is_thrown_away(
        member, desk, &second?, &pushed, unattended,
    )?;
    is_removed_and_comes_back(member, &first, &third?)?;
    is_purged(member)?;
    // Whatever systemd it would be.
    if debian == Debian::This {
        is_installed_where_there_is_no_systemd(desk, &first)
    } else {
        Ok(())
    }
}

/// Nothing runs before there is an identity. The bundle's configuration is what `swarm enroll` wrote, with what
/// a person fills in.
fn is_enrolled(member: &Member, package: &std::path::Path) -> Result<()> {
    let machine = &member.machine;
    machine.run(["rm", "-r", "/etc/updater"])?.good()?;
    let said = member.install_package(package)?.stdout;
    ensure!(said.contains("updater enroll"), "{said}");
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    let bundle = "/root/bundle/updater.toml";
    let mut config = fs::read_to_string(machine.path(bundle))?;
    for (comment, line) in [
        (
            "# command = [\"bin/agent\"]",
            "command = [\"bin/agent\"]\nenv = { AGENT_LISTEN = \"0.0.0.0:8765\" }",
        ),
        (
            "# release_pointer = \"/release\"",
            "release_pointer = \"/release\"\ninterval = \"100ms\"\nwatch = \"300ms\"",
        ),
    ] {
        ensure!(config.contains(comment), "{config}");
        config = config.replace(comment, line);
    }
    machine.write(bundle, config, 0o644)?;
    let enrolled = machine.run(["updater", "enroll", "/root/bundle"])?;
    ensure!(enrolled.code == 0, "{enrolled:?}\n{}", member.journals());
    member.answers()?;
    assert_eq!(machine.show("updater", "UnitFileState")?, "enabled");
    machine.run(["grep", "-qx", "user = \"agent\"", "/etc/updater/updater.toml"])?.good().map(drop)
}

/// The master's package has what it pushes. One that keeps dying, and one that hangs, are taken back by the
/// rescue; the program runs on.
fn updaters_are_pushed(member: &Member, desk: &Member) -> Result<Digest> {
    let service = Tree::agent(&Behaviour::default())?;
    desk.copy_tree(service.path(), "/root/service")?;
    let update = ["update", "--host", "web-1", "--root", "/root/service", "--include-self"];
    let updated = desk.swarm(update)?;
    ensure!(updated.code == 0, "{updated:?}\n{}", member.journals());
    let pushed = member.health()?.digest;
    let agent = member.app()?.pid;

    // Its 90 seconds are too long for a test.
    let short = "[Service]\nTimeoutStartSec=3s\n";
    member.machine.write("/etc/systemd/system/updater.service.d/start.conf", short, 0o644)?;
    member.machine.ask("systemctl daemon-reload")?;
    let later_start = "[ \"$1\" = check ] || [ -n \"$UPDATER_CANDIDATE\" ] ||";
    for (note, fate) in [("doomed", "exit 3"), ("hung", "exec sleep infinity")] {
        let bad = Tree::updater_behind(note, &format!("{later_start} {fate}"))?;
        desk.machine.write("/root/bad.tar.zst", &bad.bytes, 0o644)?;
        let taken =
            desk.swarm(update.into_iter().chain(["--updater-archive", "/root/bad.tar.zst"]))?;
        ensure!(taken.code == 0, "{taken:?}\n{}", member.journals());
        member.is_now(&bad.digest)?;
        member.kill_updater()?;
        member.is_now(&pushed)?;
        let checked = desk.swarm(["check", "--host", "web-1"])?;
        let rescued = format!("rescued from {}", bad.digest.short());
        ensure!(checked.code == 1 && checked.stdout.contains(&rescued), "{checked:?}");
    }
    assert_eq!(member.app()?.pid, agent, "the agent was lost");
    member.machine.write(
        "/etc/systemd/system/updater.service.d/start.conf",
        "[Service]\n",
        0o644,
    )?;
    member.machine.ask("systemctl daemon-reload")?;
    Ok(pushed)
}

/// What was pushed runs on, and everything says so. A build that the restart ends has changed nothing.
fn a_newer_package_is_told_and_a_build_is_thrown_away(
    member: &Member,
    desk: &Member,
    package: &std::path::Path,
    pushed: &Digest,
    unattended: bool,
) -> Result<()> {
    let before = member.app()?;
    let slow = Tree::saying("slow")?;
    slow.file(
        "release.toml",
        "[build]\ncommand = ['sh', '-c', 'until [ -e /opt/go ]; do sleep 0.1; done']\n",
    )?;
    let slow = slow.pack(fleet_tests::Packing::Zstd)?;
    let said = std::thread::scope(|scope| {
        let order = scope.spawn(|| member.push(&slow));
        eventually("the build to begin", LONG, || {
            (member.app().ok()?.state == Phase::Building).then_some(())
        })?;
        let said = if unattended {
            upgraded_unattended(member, package)?
        } else {
            member.install_package(package)?.stdout
        };
        // Its connection ended with the updater, which is asked what became of it.
        ensure!(order.join().ok().context("it does not panic")?.is_err(), "it was waited for");
        anyhow::Ok(said)
    })
    .with_context(|| member.journals())?;
    member.is_now(pushed)?;
    let told = "was installed after the updater that was pushed";
    ensure!(said.contains(told), "{said}");
    let app = member.app()?;
    let last = app.last.as_ref().context("a transaction")?;
    assert_eq!((last.outcome, last.target), (Outcome::Interrupted, Some(slow.digest)), "{last:?}");
    assert_eq!(
        (app.pid, app.active),
        (before.pid, before.active),
        "an upgrade touched the program"
    );
    for command in ["updater check", "updater status"] {
        let said = member.machine.ask(command)?;
        ensure!(said.contains(told), "{command}: {said}");
    }
    let checked = desk.swarm(["check", "--host", "web-1"])?;
    ensure!(checked.code == 1 && checked.stdout.contains(told), "{checked:?}");
    member.machine.write("/opt/go", "", 0o644)?;
    ensure!(member.push(&slow)?.result()?.status == Status::Updated);
    // Back to the package's own: the next one is followed again.
    member.machine.ask(
        "rm -f /opt/updater/current /opt/updater/releases/active /opt/updater/releases/prev",
    )?;
    member.machine.ask("systemctl restart updater")?;
    member.answers()
}

/// As it is done at night, from a repository.
fn upgraded_unattended(member: &Member, package: &std::path::Path) -> Result<String> {
    member.machine.copy(package, "/srv/apt/swarm-updater.deb", 0o644)?;
    member.machine.ask(
        "set -e; cd /srv/apt
         sum() { sha256sum $1 | cut -d ' ' -f 1; }
         { dpkg-deb --field swarm-updater.deb | sed '/^$/d'; echo Filename: ./swarm-updater.deb
           echo Size: $(stat -c %s swarm-updater.deb); echo SHA256: $(sum swarm-updater.deb); } >Packages
         { echo Origin: Swarm; echo Suite: stable; echo Date: $(date --utc --rfc-email)
           echo SHA256:; echo \" $(sum Packages) $(stat -c %s Packages) Packages\"; } >Release
         rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list
         echo 'Unattended-Upgrade::Origins-Pattern { \"origin=Swarm\"; };' >/etc/apt/apt.conf.d/90swarm
         apt-get --quiet update >&2; unattended-upgrade --verbose >&2
         cat /var/log/unattended-upgrades/unattended-upgrades-dpkg.log",
    )
}

fn is_removed_and_comes_back(
    member: &Member,
    first: &std::path::Path,
    next: &std::path::Path,
) -> Result<()> {
    let machine = &member.machine;
    let agent = member.app()?.pid;
    let removed = machine.run(["dpkg", "--remove", "swarm-updater"])?.good()?.stdout;
    ensure!(removed.contains("run on, until the next boot"), "{removed}");
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    assert!(machine.path("/etc/updater/updater.toml").exists());
    // Installed again, it is as it was.
    member.install_package(first)?;
    member.answers()?;
    assert_eq!(machine.show("updater", "UnitFileState")?, "enabled");
    assert_eq!(member.app()?.pid, agent);
    let (main, digest) = (member.main_process()?, member.health()?.digest);
    // An upgrade is a new updater with the old configuration, and the same agent.
    let kept = fs::read_to_string(machine.path("/etc/updater/updater.toml"))?;
    let upgraded = member.install_package(next)?.stdout;
    ensure!(!upgraded.contains("was pushed"), "{upgraded}");
    member.answers()?;
    ensure!(member.main_process()? != main && member.health()?.digest != digest);
    assert_eq!(fs::read_to_string(machine.path("/etc/updater/updater.toml"))?, kept);
    assert_eq!(member.app()?.pid, agent);
    // One that does not start is told, and stops no package manager.
    machine.write("/etc/updater/updater.toml", format!("nonsense = 1\n{kept}"), 0o644)?;
    machine.copy(first, "/root/package.deb", 0o644)?;
    let install = ["apt-get", "install", "--yes", "--allow-downgrades", "/root/package.deb"];
    let upgraded = machine.run(install)?.good()?;
    ensure!(upgraded.stdout.contains("updater.service does not start"), "{upgraded:?}");
    machine.write("/etc/updater/updater.toml", &kept, 0o644)?;
    machine.run(["systemctl", "restart", "updater"])?.good()?;
    member.answers()
}

/// Also where one of its directories is a mount of its own. What is not the updater's is kept, and named.
fn is_purged(member: &Member) -> Result<()> {
    let machine = &member.machine;
    let agent = member.app()?.pid.context("an agent")?;
    machine.run(["dpkg", "--remove", "swarm-updater"])?.good()?;
    // Apps as people write them; one of units, whose files the updater put there.
    machine.ask(
        "sed -i '1i app.cron.install_dir=\"/opt/cron\"\\napp.web = { keep = 3, install_dir = \"/opt/web\" }' \
             /etc/updater/updater.toml
         mkdir -p /opt/cron /opt/web /var/lib/updater/apps/web /etc/systemd/system/web.service.d
         echo '{\"format\":1,\"before\":{\"web.service\":\"nothing\",\"web.service.d/50-updater.conf\":\"nothing\"},\"reload\":false}' \
             >/var/lib/updater/apps/web/units.json
         touch /etc/systemd/system/web.service /etc/systemd/system/web.service.d/50-updater.conf
         mkdir -p /srv/state && mount --bind /srv/state /opt/updater && touch /opt/updater/file",
    )?;
    let purged = machine.run(["dpkg", "--purge", "swarm-updater"])?.good()?.stdout;
    for kept in [
        "/opt/agent",
        "/opt/cron",
        "/opt/web",
        "/etc/systemd/system/web.service",
        "/etc/systemd/system/web.service.d/50-updater.conf",
        "/etc/systemd/system/updater.service.d",
    ] {
        ensure!(
            purged.lines().any(|line| line.starts_with("Kept") && line.ends_with(kept)),
            "{kept}: {purged}"
        );
        ensure!(machine.run(["test", "-e", kept])?.code == 0, "{kept} is gone: {purged}");
    }
    ensure!(fs::read_dir(machine.path("/opt/updater"))?.next().is_none(), "{purged}");
    for gone in ["/etc/updater", "/var/lib/updater", "/usr/bin/updater"] {
        ensure!(!machine.path(gone).exists(), "{gone} is left");
    }
    ensure!(machine.path(&format!("/proc/{agent}/cwd")).exists(), "the agent was ended");
    Ok(())
}

/// An image that is being made, or a chroot.
fn is_installed_where_there_is_no_systemd(
    machine: &Member,
    package: &std::path::Path,
) -> Result<()> {
    machine.machine.copy(package, "/root/updater.deb", 0o644)?;
    machine.machine.ask(
        "set -e; at=/run/bare; mkdir $at; mount -t tmpfs none $at; mkdir $at/changes $at/work $at/root
         mount -t overlay overlay -o lowerdir=/,upperdir=$at/changes,workdir=$at/work $at/root
         rm -f $at/root/usr/bin/systemd-* $at/root/usr/bin/systemctl $at/root/usr/bin/deb-systemd-*
         chroot $at/root dpkg --install /root/updater.deb
         chroot $at/root dpkg --status swarm-updater | grep -qx 'Status: install ok installed'
         chroot $at/root updater --version
         chroot $at/root dpkg --purge swarm-updater",
    )?;
    Ok(())
}
