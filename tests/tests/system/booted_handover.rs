//! `strategy = "handover"` of units: one follows the other on the sockets of a socket unit, and whoever
//! asks meanwhile is answered.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Load, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Digest, Phase, Problem, Status};

const SOCKET: &str = "[Socket]\nListenStream=0.0.0.0:8765\nService=agent@a.service\n\
    [Install]\nWantedBy=sockets.target\n";
const AGENT: &str = "[Service]\nUser=daemon\nSockets=agent.socket\n\
    WorkingDirectory=/opt/agent/current@%i\nExecStart=/opt/agent/current@%i/bin/agent\n\
    Restart=always\nRestartSec=0\n";

fn setup() -> Setup {
    Setup::default()
        .app("user", "'daemon'")
        .app("keep", "2")
        .run("kind", "'systemd'")
        .run("units", "['agent.socket', 'agent@.service']")
        .run("unit_files", "['agent@.service']")
        .run("strategy", "'handover'")
        .run("drain_timeout", "'10s'")
        .health("ready_url", "'http://{agent}/ready'")
        .health("ready_timeout", "'5s'")
}

/// A host with an updater, and the units as an administrator makes them.
fn booted(setup: &Setup) -> Result<Option<BootedFleet>> {
    let Some(fleet) = BootedFleet::of(1, setup)? else { return Ok(None) };
    let machine = &fleet.members[0].machine;
    machine.add_drop_in("units.conf")?;
    machine.write("/etc/systemd/system/agent.socket", SOCKET, 0o644)?;
    machine.write("/etc/systemd/system/agent@.service", AGENT, 0o644)?;
    machine.ask("systemctl daemon-reload && systemctl enable --quiet agent.socket")?;
    machine.ask("systemctl restart updater")?;
    fleet.members[0].answers()?;
    Ok(Some(fleet))
}

/// Not one of them: a request is sent once, and what gets no answer is lost.
#[test]
fn no_request_is_lost_in_twenty_updates_of_units_and_five_failed_ones() -> Result<()> {
    let Some(fleet) = booted(&setup())? else { return Ok(()) };
    let host = &fleet.members[0];
    installs(host, "the first")?;
    let load = Load::begin(host.agent);
    let ran = (0..20).try_for_each(|number| {
        let good = installs(host, &format!("good {number}"))?;
        if number % 4 > 0 {
            return Ok(());
        }
        let bad = Behaviour { message: format!("bad {number}"), ..Behaviour::default() };
        undoes(
            host,
            &match number % 3 {
                0 => Behaviour { never_ready: true, ..bad },
                1 => Behaviour { crash: Some("no".to_owned()), ..bad },
                // Ready, and drained for; but nothing shows that it is the new release.
                _ => Behaviour { silent: true, ..bad },
            },
        )?;
        rests(host, &good)
    });
    load.loses_nothing(500)?;
    ran
}

/// Wherever the updater dies, the next one ends with one agent, and nobody who asks notices.
#[test]
fn an_updater_that_dies_in_a_handover_of_units_is_followed_by_one_that_finishes_it() -> Result<()> {
    let Some(fleet) = booted(&setup())? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    installs(host, "the first")?;
    let crash = "[Service]\nEnvironmentFile=-/run/crash\n";
    machine.write("/etc/systemd/system/updater.service.d/crash.conf", crash, 0o644)?;
    machine.ask("systemctl daemon-reload")?;
    let load = Load::begin(host.agent);
    let good = ["agent_started_beside", "agent_ready", "active_flipped", "agent_drained"];
    let good = good.into_iter().chain(["agent_succeeded", "proven", "outcome_written"]);
    let bad = ["active_reversed", "agent_started_beside:2", "agent_ready:2", "agent_succeeded:2"];
    let points = good.map(|point| (point, false)).chain(bad.map(|point| (point, true)));
    let ran = points.into_iter().try_for_each(|(point, silent)| {
        let before = host.app()?.active.context("an active release")?.digest;
        let message = format!("killed at {point}");
        let release = Tree::release(&Behaviour { message, silent, ..Behaviour::default() })?;
        machine.ask(&format!(
            "echo UPDATER_CRASH_AT={point} >/run/crash; systemctl reset-failed updater; \
             systemctl restart updater; rm /run/crash"
        ))?;
        host.answers()?;
        // Nobody answers it to the end.
        drop(host.push(&release));
        let killed = format!("killed at the checkpoint {}", point.trim_end_matches(":2"));
        eventually("the updater to be killed", LONG, || {
            host.machine.journal("updater").contains(&killed).then_some(())
        })
        .with_context(|| host.journals())?;
        rests(host, if silent { &before } else { &release.digest }).context(point)
    });
    load.loses_nothing(100)?;
    ran
}

#[test]
fn units_that_follow_each_other_through_all_that_a_host_sees() -> Result<()> {
    let Some(fleet) = booted(&setup())? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;

    // A first install that fails leaves the host as it was.
    let crash = |words: &str| Behaviour { crash: Some(words.to_owned()), ..Behaviour::default() };
    let problem = undoes(host, &crash("first words"))?;
    ensure!(problem.output.iter().any(|line| line == "first words"), "{problem:?}");
    machine
        .ask("test ! -e /etc/systemd/system/agent@.service.d && test ! -e /opt/agent/current@a")?;
    let first = installs(host, "first")?;
    let before = main_pid(host)?;
    for bad in [Behaviour { never_ready: true, ..Behaviour::default() }, crash("no such table")] {
        let problem = undoes(host, &bad)?;
        let told = ["ready", "agent@b.service"];
        ensure!(told.iter().any(|why| problem.detail.contains(why)), "{problem:?}");
        rests(host, &first)?;
        assert_eq!(main_pid(host)?, before, "the old agent was touched");
    }
    // It is undone after the old one is gone.
    let dies = Behaviour { dies_after: Some(40), ..Behaviour::default() };
    let dies = Tree::release(&dies)?;
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| host.order("/update?watch=1h", &dies).send()?.problem());
        eventually("the new agent to die", LONG, || {
            drop(host.ask_agent("/"));
            pushing.is_finished().then_some(())
        })?;
        let problem = pushing.join().ok().context("it does not panic")??;
        ensure!(problem.detail.contains("agent@"), "{problem:?}");
        ensure!(problem.output.iter().any(|line| line.contains("the agent dies")), "{problem:?}");
        rests(host, &first)
    })?;

    // A flag for one start is not there at the next, and the next is systemd's.
    let second = installs(host, "second")?;
    let flag =
        |host: &Member| host.ask_agent("/environment").ok()?.get("RELEASE_HANDOVER").cloned();
    assert_eq!(flag(host), Some("1".into()));
    let old = main_pid(host)?;
    machine.ask("systemctl kill --signal=KILL 'agent@*'")?;
    eventually("the agent to be started anew", LONG, || {
        main_pid(host).ok().filter(|now| *now != old && host.ask_agent("/environment").is_ok())
    })?;
    rests(host, &second)?;
    assert_eq!(flag(host), None);
    // The same release again follows itself.
    let again = host.order("/update?force=true", &healthy("second")?).send()?.result()?;
    assert_eq!(again.status, Status::Updated, "{}", host.journals());
    rests(host, &second)?;

    // A template that a release ships is that of both; and it is put back.
    let note = AGENT.replace("[Service]", "[Unit]\nDescription=shipped\n[Service]");
    let problem = host.push(&shipping(&note, &crash("shipped"))?)?.problem()?;
    assert_eq!(problem.code, Code::RolledBack, "{problem:?}");
    rests(host, &second)?;
    assert_eq!(machine.ask("cat /etc/systemd/system/agent@.service")?, AGENT.trim_end());
    let shipped = shipping(&note, &Behaviour::default())?;
    assert_eq!(host.push(&shipped)?.result()?.status, Status::Updated);
    rests(host, &shipped.digest)?;
    assert_eq!(machine.show("agent@a.service", "Description")?, "shipped");

    // Stopped is stopped, for connections too; and an order starts it.
    machine.ask("updater stop")?;
    ensure!(std::net::TcpStream::connect(host.agent).is_err(), "somebody takes connections");
    let third = installs(host, "third")?;
    machine.ask("updater restart")?;
    rests(host, &third)?;

    // After a boot the right one comes up, whoever is first: the updater, or a connection.
    let fourth = installs(host, "fourth")?;
    machine.power_off()?;
    machine.boot()?;
    rests(host, &fourth)?;
    let fifth = installs(host, "fifth")?;
    machine.cut_power()?;
    machine.boot()?;
    rests(host, &fifth)?;
    // In the middle of a handover too.
    cut_in(host, "sixth", Phase::Starting)?;
    let last = cut_in(host, "seventh", Phase::Watching)?;
    machine.ask("systemctl stop updater 'agent@*'")?;
    host.runs(&last)?;
    machine.ask("systemctl start updater")?;
    rests(host, &last)?;
    installs(host, "eighth")?;
    assert_eq!(host.rollback()?.result()?.to, Some(last));
    rests(host, &last)
}

#[test]
fn what_keeps_units_from_a_handover_is_told_before_anything_is_touched() -> Result<()> {
    let Some(fleet) = booted(&setup().run("unit_files", "[]"))? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    let says = |expected: &str| -> Result<()> {
        machine.ask("systemctl daemon-reload")?;
        let checked = machine.ask("updater check --running 2>&1 || true")?;
        ensure!(checked.contains(expected), "{expected:?} is not in:\n{checked}");
        let problem = host.push(&healthy("one")?)?.problem()?;
        assert_eq!((problem.code.status(), &problem.code), (501, &Code::NotSupported));
        ensure!(problem.detail.contains(expected), "{problem:?}");
        let store = fs::read_dir(machine.path("/opt/agent/releases/store"));
        ensure!(store.map_or(0, Iterator::count) == 0, "something was touched");
        Ok(())
    };
    let agent = |text: &str| machine.write("/etc/systemd/system/agent@.service", text, 0o644);
    let socket = |text: &str| machine.write("/etc/systemd/system/agent.socket", text, 0o644);
    agent(&AGENT.replace("Sockets=agent.socket\n", ""))?;
    says("agent@b.service takes no socket: write Sockets=agent.socket there")?;
    agent(AGENT)?;
    socket(&SOCKET.replace("Service=agent@a.service\n", ""))?;
    says("agent.socket would start agent.service, which is not of this app")?;
    socket(&SOCKET.replace("Service=agent@a.service\n", "Accept=yes\n"))?;
    says("agent.socket has Accept=yes")?;
    machine.ask("rm /etc/systemd/system/agent@.service")?;
    socket(SOCKET)?;
    says("agent@a.service has no unit file")?;
    agent(AGENT)?;
    machine.ask("systemctl daemon-reload")?;
    let checked = machine.ask("updater check --running 2>&1 || true")?;
    ensure!(!checked.contains("error: app.agent.run"), "{checked}");
    installs(host, "one")?;
    // Somebody has closed it: what serves has it still, and the next one could not.
    machine.ask("systemctl stop agent.socket")?;
    let problem = host.push(&healthy("two")?)?.problem()?;
    assert_eq!(problem.code, Code::NotSupported, "{problem:?}");
    ensure!(problem.detail.contains("`updater restart` opens it again"), "{problem:?}");
    machine.ask("updater restart")?;
    installs(host, "two").map(drop)
}

fn healthy(message: &str) -> Result<Release> {
    let message = message.to_owned();
    Tree::release(&Behaviour { message, slow_start_ms: 50, ..Behaviour::default() })
}

/// Updates to a healthy release.
fn installs(host: &Member, message: &str) -> Result<Digest> {
    let release = healthy(message)?;
    let result = host.push(&release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    rests(host, &release.digest)?;
    Ok(release.digest)
}

/// Pushes a good release, cuts the power in a phase of it, and waits until a boot has finished it.
fn cut_in(host: &Member, message: &str, phase: Phase) -> Result<Digest> {
    let (gate, watched) = (format!("/opt/gate-{message}"), phase == Phase::Watching);
    let path = if watched { "/update?watch=1h" } else { "/update" };
    // Where it is to come to a watch, the agent answers at once.
    if watched {
        host.machine.ask(&format!("touch {gate}"))?;
    }
    let (message, waits_for) = (message.to_owned(), Some(gate.clone().into()));
    let release = Tree::release(&Behaviour { message, waits_for, ..Behaviour::default() })?;
    std::thread::scope(|scope| {
        // The updater is gone before it has answered.
        scope.spawn(|| drop(host.order(path, &release).send()));
        eventually("the moment to cut the power", LONG, || {
            host.app().ok().filter(|app| app.state == phase)
        })
        .with_context(|| host.journals())?;
        host.machine.cut_power()
    })?;
    host.machine.write(&gate, "", 0o644)?;
    if watched {
        host.sleep_through_watch()?;
    }
    host.machine.boot()?;
    rests(host, &release.digest)?;
    Ok(release.digest)
}

/// Pushes a release that has to be undone.
fn undoes(host: &Member, bad: &Behaviour) -> Result<Problem> {
    let problem = host.push(&Tree::release(bad)?)?.problem()?;
    ensure!(problem.code == Code::RolledBack, "{problem:?}\n{}", host.journals());
    Ok(problem)
}

/// Waits until nothing is under way, and looks whether there is one agent, of this release, and
/// nothing left of another one.
fn rests(host: &Member, digest: &Digest) -> Result<()> {
    let machine = &host.machine;
    eventually("the transaction to be finished", LONG * 2, || {
        let app = host.app().ok()?;
        let active = app.active.as_ref().map(|active| active.digest) == Some(*digest);
        (active && app.state == Phase::Idle && app.healthy).then_some(())
    })
    .with_context(|| format!("{:?}\n{}", host.app(), host.journals()))?;
    host.runs(digest)?;
    let seen = machine.ask(
        "systemctl list-units --all --plain --no-legend --state=active,activating,deactivating,failed \
             'agent*' | awk '{print $1, $3}'
         systemctl show --value --property NeedDaemonReload agent@a
         cd /var/lib/updater/apps/agent; ls | grep -x 'beside.json\\|journal.json'
         for side in a b; do basename $(readlink /opt/agent/current@$side); done
         grep -h 'DIGEST\\|HANDOVER' release@a.env release@b.env",
    )?;
    let (hex, told) = (digest.hex(), format!("RELEASE_DIGEST=\"{digest}\""));
    let name = &hex[..12];
    let rest = ["no", name, name, &told, &told].join("\n");
    let serving =
        ["a", "b"].map(|side| format!("agent@{side}.service active\nagent.socket active"));
    let as_it_should = serving.map(|up| format!("{up}\n{rest}"));
    ensure!(as_it_should.contains(&seen), "the host is not at rest:\n{seen}");
    Ok(())
}

fn main_pid(host: &Member) -> Result<u32> {
    host.app()?.pid.context("an agent runs")
}

/// A release with a template.
fn shipping(template: &str, behaviour: &Behaviour) -> Result<Release> {
    let tree = Tree::agent(behaviour)?;
    tree.file("units/agent", template)?;
    tree.file("release.toml", "[units]\n\"agent@.service\" = \"units/agent\"\n")?;
    tree.pack(Packing::Zstd)
}
