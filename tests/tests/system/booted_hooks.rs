//! Where systemd runs, hooks and migrations are units of their own, around agents that are units; and
//! where it cannot be told to make any, everything goes on without.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Phase, Status};

const AGENT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n";
const BOTH_WAYS: &str =
    "[migrations]\nbackup = 'bin/note backup'\nup = 'bin/note up'\ndown = 'bin/note down'\n";
const ONE_WAY: &str = "[migrations]\nbackup = 'bin/note backup'\nup = 'bin/note up'\n";
/// Writes down what it is, what it sees and what it may do.
const NOTE: &str = "#!/bin/sh\n\
    exec 3>&1 >> data/log 2>/dev/null\n\
    echo \"$1 $RELEASE_VERSION, agent $(systemctl is-active agent)\"\n\
    id -un\n\
    grep -e ^CapBnd -e ^NoNewPrivs /proc/self/status\n\
    cat /etc/updater/identity/updater.key && echo reads the key\n\
    ls /etc/updater/identity && echo sees the identity\n\
    tail -n +3 /proc/net/dev | cut -d: -f1\n\
    unit=$(sed -n 's#^0::/system.slice/##p' /proc/self/cgroup)\n\
    echo unit ${unit%%.*}\n\
    systemctl show --property MemoryMax $unit\n\
    setsid sleep 1000 &\n\
    echo data/backup-$RELEASE_VERSION >&3\n";

fn release(version: u32, toml: &str, behaviour: &Behaviour, note: &str) -> Result<Release> {
    let tree = Tree::agent(behaviour)?;
    tree.file("release.toml", &format!("version = '{version}'\n{toml}"))?;
    tree.program("bin/note", note)?;
    tree.pack(Packing::Zstd)
}

fn good(version: u32, toml: &str) -> Result<Release> {
    release(version, toml, &Behaviour::default(), NOTE)
}

/// The lines that were noted since the last time.
fn noted(host: &Member) -> Result<String> {
    host.machine.ask("cat /opt/agent/shared/data/log; rm -f /opt/agent/shared/data/log")
}

#[test]
fn units_are_migrated_by_units_and_come_back_or_stay_as_it_was_said() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("links", "['data/']")
        .app("hooks_unit", "true")
        .app("build_memory", "'640MiB'")
        .run("kind", "'systemd'")
        .run("units", "['agent.service']");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    machine.write("/etc/systemd/system/agent.service", AGENT, 0o644)?;
    machine.add_drop_in("units.conf")?;
    machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    host.answers()?;
    updated(host, &good(1, "")?)?;

    // The unit is stopped, the data migrated by a unit of its own, and the new unit started.
    let two = good(2, BOTH_WAYS)?;
    updated(host, &two)?;
    host.runs(&two.digest)?;
    let log = noted(host)?;
    for wanted in [
        "backup 2, agent inactive",
        "up 2, agent inactive",
        "daemon",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "host0",
        "unit updater-hook-agent",
        "MemoryMax=671088640",
    ] {
        ensure!(log.lines().any(|line| line.trim() == wanted), "{wanted:?} is not in\n{log}");
    }
    for unwanted in ["reads the key", "sees the identity"] {
        ensure!(!log.contains(unwanted), "{unwanted:?} is in\n{log}");
    }
    let left = machine.ask("grep -lx sleep /proc/[0-9]*/comm 2>/dev/null | wc -l")?;
    assert_eq!(left, "0", "what a migration started lives");

    // One that fails is undone, and the old unit runs on the old data.
    let fails =
        "#!/bin/sh\necho $1 >> data/log\n[ $1 != up ] || { echo table is locked; exit 4; }\n";
    let three = release(3, BOTH_WAYS, &Behaviour::default(), fails)?;
    let problem = host.push(&three)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}\n{}", host.journals());
    ensure!(problem.detail.contains("exited with status 4"), "{problem:?}");
    ensure!(problem.output.iter().any(|line| line == "table is locked"), "{problem:?}");
    assert_eq!(noted(host)?, "backup\nup\ndown");
    host.runs(&two.digest)?;

    // What cannot be undone stays; who says so goes back all the same.
    let crash = Behaviour { crash: Some("no such column".to_owned()), ..Behaviour::default() };
    let problem = host.push(&release(4, ONE_WAY, &crash, NOTE)?)?.problem()?;
    assert_eq!(problem.code, Code::Irreversible, "{problem:?}\n{}", host.journals());
    ensure!(problem.detail.contains("data/backup-4"), "{problem:?}");
    let to = two.digest.to_string();
    let back = ["--json", "rollback", "--all", "--allow-unhealthy", "--to", &to];
    let refused = fleet.swarm(back)?;
    ensure!(refused.code == 1 && refused.stdout.contains("data/backup-4"), "{refused:?}");
    fleet.swarm([&back[..], &["--irreversible"]].concat())?.good()?;
    host.runs(&two.digest)?;

    // An updater that is killed leaves a hook, and the next one ends it.
    let hook = "[hooks]\nbefore_switch = 'bin/note'\n";
    let endless = release(5, hook, &Behaviour::default(), "#!/bin/sh\nexec sleep 1000\n")?;
    let order = host.order("/update", &endless).header("accept", protocol::header::NDJSON);
    order.lines()?.until("\"staged\"")?;
    let units = || machine.ask("systemctl list-units --plain --no-legend 'updater-hook-*'");
    eventually("the hook to run", LONG, || units().ok().filter(|units| !units.is_empty()))?;
    machine.ask("systemctl kill --signal=KILL --kill-whom=all updater")?;
    host.answers().with_context(|| host.journals())?;
    eventually("the hook to end", LONG, || units().ok().filter(String::is_empty))?;
    eventually("the transaction to end", LONG, || {
        host.app().ok().filter(|app| app.state == Phase::Idle)
    })
    .with_context(|| host.journals())?;
    host.runs(&two.digest)
}

#[test]
fn without_a_bus_everything_is_run_by_the_updater_itself_and_that_is_said() -> Result<()> {
    let setup = Setup::default()
        .app("user", "'daemon'")
        .app("links", "['data/']")
        .app("build", "'auto'")
        .app("build_unit", "true")
        .app("hooks_unit", "true")
        .run("transient", "true");
    let Some(fleet) = BootedFleet::of(1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    machine.ask("systemctl mask --runtime --now dbus.socket dbus.service; rm -f /run/dbus/system_bus_socket")?;
    machine.ask("systemctl restart updater")?;
    host.answers()?;
    let checked = machine.ask("updater check --running 2>&1")?;
    ensure!(checked.contains("warning: app.agent: systemd cannot be told"), "{checked}");
    let toml = format!("[build]\ncommand = ['touch', 'built']\n{BOTH_WAYS}");
    updated(host, &good(1, "")?)?;
    updated(host, &good(2, &toml)?)?;
    let log = noted(host)?;
    ensure!(log.contains("unit updater\n"), "{log}");
    Ok(())
}

fn updated(host: &Member, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}\n{}", host.journals());
    Ok(())
}
