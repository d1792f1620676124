//! Releases that add units and drop them: what is started follows the release, on the way there and back.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually, on_each_debian};
use protocol::{AgentState, AppHealth, Code, Status};

const AGENT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n";
const WORKER: &str = "[Service]\nExecStart=/bin/sleep infinity\n";
const JOB: &str = "[Service]\nType=oneshot\nExecStart=/bin/touch /run/job-was-done\n";
const TIMER: &str = "[Timer]\nOnActiveSec=1y\n";
/// What the configuration names, and what releases may ship besides.
const NAMED: &str = "['agent.service', 'listed.service', 'job.timer', 'job.service']";
const SHIPPED: &str = "['agent.service', 'listed.service', 'job.timer', 'job.service', \
                       'added.service', 'once.service']";

on_each_debian!(a_release_adds_units_and_drops_them_both_ways);

fn a_release_adds_units_and_drops_them_both_ways(debian: Debian) -> Result<()> {
    let setup =
        Setup::default().run("kind", "'systemd'").run("units", NAMED).run("unit_files", SHIPPED);
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(()) };
    let host = &fleet.members[0];
    host.machine.add_drop_in("units.conf")?;
    host.machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    host.answers()?;

    // What this release does not ship, and the host has not, is not started; a check says so.
    let one = shipping("one", None, &["agent.service"])?;
    updated(host, &one)?;
    are(host, &["listed.service", "added.service"], "not-found", "inactive")?;
    let checked = host.machine.ask("updater check --running 2>&1 || true")?;
    let told = "listed.service has no unit file, and is started for releases that ship it";
    ensure!(checked.contains(told) && !checked.contains("error: app.agent.run"), "{checked}");

    // The next one adds some, and jobs that a timer or something else is to start.
    let added = ["listed.service", "added.service", "job.timer"];
    let all = [
        "agent.service",
        "listed.service",
        "added.service",
        "job.timer",
        "job.service",
        "once.service",
    ];
    let two = shipping("two", None, &all)?;
    updated(host, &two)?;
    are(host, &added, "loaded", "active")?;
    host.machine.ask("test ! -e /run/job-was-done").context("the job was done")?;
    host.machine.ask("updater restart")?;
    are(host, &added, "loaded", "active")?;

    // A bad one without them: they are there again when it is undone.
    let three = shipping("three", Some("no"), &["agent.service"])?;
    let problem = host.push(&three)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}\n{}", host.journals());
    host.runs(&two.digest)?;
    are(host, &added, "loaded", "active")?;

    // On the way back they are stopped, and then their files go: no code of the release that was left runs on.
    host.machine.ask("updater rollback")?;
    host.runs(&one.digest)?;
    are(host, &added, "not-found", "inactive")?;

    // A bad one that adds them leaves nothing of them.
    let four = shipping("four", Some("no"), &all)?;
    let problem = host.push(&four)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}\n{}", host.journals());
    host.runs(&one.digest)?;
    are(host, &added, "not-found", "inactive")?;
    what_others_start_is_told(host)
}

/// An agent that an operator stopped and an administrator started runs, and is not told as stopped.
fn what_others_start_is_told(host: &Member) -> Result<()> {
    let told = |app: &AppHealth| app.warnings.iter().any(|text| text.contains("was stopped"));
    host.machine.ask("updater stop && systemctl start agent")?;
    let pid = host.machine.show("agent.service", "MainPID")?;
    let app = eventually("what runs to be told", LONG, || {
        host.app().ok().filter(|app| app.agent == AgentState::Running)
    })
    .with_context(|| host.journals())?;
    ensure!(told(&app) && app.pid.map(|pid| pid.to_string()) == Some(pid), "{app:?}");
    host.machine.ask("updater stop")?;
    are(host, &["agent.service"], "loaded", "inactive")?;
    host.machine.ask("systemctl start agent && updater start")?;
    let app = host.app()?;
    ensure!(app.agent == AgentState::Running && !told(&app), "{app:?}\n{}", host.journals());
    Ok(())
}

/// A release with these units, whose agent crashes with these words, if there are any.
fn shipping(message: &str, crash: Option<&str>, units: &[&str]) -> Result<Release> {
    let (message, crash) = (message.to_owned(), crash.map(str::to_owned));
    let tree = Tree::agent(&Behaviour { message, crash, ..Behaviour::default() })?;
    let text = |unit: &str| match unit {
        "agent.service" => AGENT,
        "job.service" | "once.service" => JOB,
        "job.timer" => TIMER,
        _ => WORKER,
    };
    let units: Vec<_> = units.iter().map(|unit| (*unit, text(unit))).collect();
    tree.units(&units)?;
    tree.pack(Packing::Zstd)
}

fn updated(host: &Member, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    host.runs(&release.digest)
}

fn are(host: &Member, units: &[&str], load: &str, active: &str) -> Result<()> {
    for unit in units {
        let property = |name| host.machine.show(unit, name);
        let found = (property("LoadState")?, property("ActiveState")?);
        let should = (load.to_owned(), active.to_owned());
        ensure!(found == should, "{unit} is {found:?}\n{}", host.journals());
    }
    Ok(())
}
