//! The whole story of a host, as its people live it: the package, the bundle, updates of a unit by
//! `swarm`, a bad unit, a drill, a good and a bad updater, and a power cut in the middle.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member, package};
use fleet_tests::{
    Behaviour, LONG, Output, Packing, Release, Setup, Tree, eventually, on_each_debian,
};
use protocol::Phase;

const UNIT: &str = "agent.service";
/// The last release's agent waits for this file.
const GATE: &str = "/opt/gate";
const RUNS: &str = "[Service]\nUser=agent\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n\
    [Install]\nWantedBy=multi-user.target\n";
const FAILS: &str = "[Service]\nExecStart=/bin/sh -c 'echo this unit says no >&2; exit 7'\n";

on_each_debian!(a_host_lives_through_good_and_bad_releases_and_a_power_cut);

fn a_host_lives_through_good_and_bad_releases_and_a_power_cut(debian: Debian) -> Result<()> {
    let setup = Setup::default()
        .app("user", "'agent'")
        .run("kind", "'systemd'")
        .run("units", &format!("['{UNIT}']"))
        .run("unit_files", &format!("['{UNIT}']"))
        .patient();
    let Some(fleet) = BootedFleet::idle(debian, 1, &setup)? else { return Ok(()) };
    let host = fleet.members.first().context("a host")?;
    let machine = &host.machine;
    join(host)?;

    let first = tree("first", RUNS, None)?;
    update(&fleet, &first, 0, "updated")?;
    machine.ask("systemctl enable --quiet agent")?;
    let bad = update(&fleet, &tree("bad", FAILS, None)?, 1, "rolled_back")?;
    ensure!(bad.stdout.contains("this unit says no"), "{bad:?}");
    assert_eq!(host.ask_agent("/health")?["message"], "first");
    host.rests()?;
    fleet.drills()?;

    // The updater itself: one that is no good, then one that is.
    let before = host.health()?.digest;
    let broken = Tree::updater_behind("broken", "echo this updater says no >&2; exit 1")?;
    let refused = update_self(&fleet, &first, &broken)?;
    ensure!(refused.code == 1 && refused.stdout.contains("this updater says no"), "{refused:?}");
    assert_eq!(host.health()?.digest, before);
    let next = Tree::updater("next")?.pack(Packing::Zstd)?;
    update_self(&fleet, &first, &next)?.good()?;
    host.is_now(&next.digest)?;

    // The power goes while a release is being proven. Whoever ordered it waits, and is told the truth.
    let second = tree("second", RUNS, Some(GATE.into()))?;
    std::thread::scope(|scope| {
        let ordered = scope.spawn(|| update(&fleet, &second, 0, "updated"));
        eventually("the release to be proven", LONG, || {
            host.app().ok().filter(|app| app.state == Phase::Probing)
        })
        .with_context(|| host.journals())?;
        machine.cut_power()?;
        machine.boot()?;
        machine.ask(&format!("touch {GATE}"))?;
        ordered.join().ok().context("it does not panic")?.with_context(|| host.journals())
    })?;
    host.rests()?;
    host.is_now(&next.digest)?;
    assert_eq!(host.ask_agent("/health")?["message"], "second");
    let starts = "journalctl --boot --unit agent --output cat | grep -c '^Started '";
    assert_eq!(machine.ask(starts)?, "1", "{}", machine.journal(UNIT));
    fleet.swarm(["status"])?.good()?;
    Ok(())
}

/// From the package to an updater that runs, with the commands of the documentation.
fn join(host: &Member) -> Result<()> {
    let machine = &host.machine;
    // What there is of a bundle, with what a person fills in.
    let config = fs::read_to_string(machine.path("/etc/updater/updater.toml"))?;
    machine.ask("rm -r /etc/updater")?;
    let config = config.replace("'/etc/updater/identity'", "'updater'");
    machine.write("/root/bundle/updater.toml", config, 0o644)?;
    host.install_package(&package("updater")?)?;
    // Somebody forgets what the documentation says of units, and is told before anything is started.
    let early = machine.run(["updater", "enroll", "/root/bundle"])?;
    ensure!(early.code == 1 && format!("{early:?}").contains("units.conf"), "{early:?}");
    assert_eq!(machine.show("updater", "ActiveState")?, "inactive");
    let drop_ins = "/etc/systemd/system/updater.service.d";
    let copy = format!("mkdir {drop_ins} && cp /usr/share/swarm/drop-ins/units.conf {drop_ins}/");
    machine.ask(&format!("{copy} && systemctl daemon-reload"))?;
    let enrolled = machine.run(["updater", "enroll", "/root/bundle"])?;
    ensure!(enrolled.code == 0, "{enrolled:?}\n{}", host.journals());
    host.answers()
}

fn tree(message: &str, unit: &str, waits_for: Option<PathBuf>) -> Result<Tree> {
    let message = message.to_owned();
    let tree = Tree::agent(&Behaviour { message, waits_for, ..Behaviour::default() })?;
    tree.units(&[(UNIT, unit)])?;
    Ok(tree)
}

fn update(fleet: &BootedFleet, tree: &Tree, code: i32, outcome: &str) -> Result<Output> {
    let output = fleet.swarm(["--json", "update", "--all", "--root", &shown(tree.path())])?;
    let row = output.row("web-1")?["outcome"].clone();
    ensure!(output.code == code && row == outcome, "{output:?}\n{}", fleet.members[0].journals());
    Ok(output)
}

fn update_self(fleet: &BootedFleet, tree: &Tree, updater: &Release) -> Result<Output> {
    let files = tempfile::tempdir()?;
    let archive = files.path().join("updater.tar.zst");
    fs::write(&archive, &updater.bytes)?;
    let (root, archive) = (shown(tree.path()), shown(&archive));
    let order = ["--json", "update", "--all", "--root", &root, "--include-self"];
    fleet.swarm(order.into_iter().chain(["--updater-archive", &archive]))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
