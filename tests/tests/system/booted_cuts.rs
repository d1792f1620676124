//! The power of a host goes at the worst points of an update of units, and its boot puts right what
//! was half done before it starts them. Each start of a unit notes what it was started with.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::Outcome::{self, Interrupted, RolledBack, Updated};
use protocol::Status;

const UNITS: [&str; 2] = ["agent.service", "sibling.service"];
/// Has a line a start: the unit, with what its file was shipped, and the release that `current` and
/// `release.env` name.
const STARTS: &str = "/var/log/starts";
/// Gone after a power cut, as all of `/run` is.
const DROP_IN: &str = "/run/systemd/system/updater.service.d/dies.conf";

/// How the updater's death goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// The power is cut, and the host boots.
    Boot,
    /// The updater is started again.
    Start,
}

/// A point at which the updater dies in an update to a release called `new`.
#[derive(Debug, Clone, Copy)]
struct Cut {
    at: &'static str,
    then: Afterwards,
    bad: bool,
    ends: Outcome,
    /// Whose agents are started since, in their order.
    starts: &'static [&'static str],
}

const fn good(at: &'static str, then: Afterwards) -> Cut {
    Cut { at, then, bad: false, ends: Updated, starts: &["new"] }
}

const fn bad(at: &'static str, then: Afterwards, starts: &'static [&'static str]) -> Cut {
    Cut { at, then, bad: true, ends: RolledBack, starts }
}

#[test]
fn lesson_18_a_power_cut_on_the_way_to_a_release_never_mixes_two() -> Result<()> {
    // Between the switch and the restart; between the new files and the start; in the watch; at the end.
    each_on_a_host(&[
        &[good("active_flipped", Afterwards::Boot), good("units_placed", Afterwards::Boot)],
        &[good("agent_stopped", Afterwards::Boot), good("watched", Afterwards::Boot)],
        &[good("outcome_written", Afterwards::Boot), good("units_placed", Afterwards::Start)],
    ])
}

#[test]
fn lesson_18_a_power_cut_on_the_way_back_never_mixes_two() -> Result<()> {
    let (both, old) = (&["new", "old"], &["old"]);
    each_on_a_host(&[
        &[
            bad("units_placed", Afterwards::Boot, both),
            bad("active_reversed", Afterwards::Boot, old),
        ],
        &[
            bad("units_placed:2", Afterwards::Boot, old),
            bad("units_placed:2", Afterwards::Start, old),
        ],
    ])
}

#[test]
fn a_connection_that_waits_at_boot_starts_nothing_by_halves() -> Result<()> {
    let Some(fleet) = hosts(1, &["agent.socket", UNITS[0], UNITS[1]])? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    let socket = "[Socket]\nListenStream=0.0.0.0:8765\n[Install]\nWantedBy=sockets.target\n";
    machine.write("/etc/systemd/system/agent.socket", socket, 0o644)?;
    // Somebody connects as soon as the port is there, which is before the updater is.
    let knock = "[Unit]\nAfter=agent.socket\nBefore=updater.service\n\
        [Service]\nType=forking\nExecStart=/usr/bin/python3 -IS -c 'import os, signal, socket; \
        kept = socket.create_connection((\"127.0.0.1\", 8765)); os.fork() or signal.pause()'\n\
        [Install]\nWantedBy=multi-user.target\n";
    machine.write("/etc/systemd/system/knock.service", knock, 0o644)?;
    machine.ask("systemctl daemon-reload && systemctl enable --quiet agent.socket knock")?;
    install_old(host)?;
    cut(host, &good("active_flipped", Afterwards::Boot))
}

#[test]
fn a_boot_starts_neither_a_first_release_twice_nor_what_is_to_be_down() -> Result<()> {
    let Some(fleet) = hosts(1, &UNITS)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    // As an administrator has them before there is any release; `current` leads nowhere.
    for unit in UNITS {
        machine.write(&format!("/etc/systemd/system/{unit}"), unit_file(unit, "new"), 0o644)?;
    }
    machine.ask("systemctl daemon-reload && systemctl enable --quiet agent sibling")?;
    cut(host, &good("current_made", Afterwards::Boot))?;

    // With nothing under way each unit is started once, by systemd.
    machine.cut_power()?;
    assert_eq!(starts_in(host, || machine.boot())?, ["new"]);

    // An operator's word holds, though systemd knows nothing of it.
    machine.ask("updater stop")?;
    machine.cut_power()?;
    let started = starts_in(host, || {
        machine.boot()?;
        // As a person may come upon the idea that there is nothing to be lost.
        machine
            .ask("systemctl is-active --quiet agent && exit 1 || systemctl is-active updater")?;
        Ok(())
    })?;
    ensure!(started.is_empty(), "{started:?} were started: {}", host.journals());
    Ok(())
}

#[test]
fn lesson_21_a_power_cut_in_a_self_update_leaves_one_updater_and_its_agent() -> Result<()> {
    let Some(fleet) = hosts(1, &UNITS)? else { return Ok(()) };
    let host = &fleet.members[0];
    install_old(host)?;
    for (number, at) in ["self_started", "self_flipped"].into_iter().enumerate() {
        let before = host.health()?.digest;
        let next = Tree::updater(&format!("self {number}"))?.pack(Packing::Zstd)?;
        die_at(host, at)?;
        // Nobody is there to answer it.
        drop(host.push_self(&next));
        is_dead(host)?;
        host.machine.cut_power()?;
        host.holds()?;
        let started = starts_in(host, || host.machine.boot())?;
        assert_eq!(started, ["old"], "{at}: {}", host.journals());
        let (ends, digest) =
            if at == "self_flipped" { (Updated, next.digest) } else { (Interrupted, before) };
        host.is_now(&digest)?;
        let last = host.own_history()?.pop().context("it has a line")?;
        assert_eq!((last.outcome, last.to), (ends, Some(digest)), "{at}: {last:?}");
    }
    Ok(())
}

#[test]
fn an_updater_that_cannot_start_keeps_no_unit_down() -> Result<()> {
    let Some(fleet) = hosts(1, &UNITS)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    let old = install_old(host)?;
    let path = "/etc/updater/updater.toml";
    let config = fs::read_to_string(machine.path(path))?;
    machine.write(path, "nonsense = true\n", 0o644)?;
    machine.cut_power()?;
    machine.boot()?;
    host.runs(&old.digest)?;
    ensure!(host.health().is_err(), "an updater runs");
    machine.write(path, config, 0o644)?;
    // A person need not wait for the rescue.
    machine.ask("systemctl restart updater")?;
    host.answers()?;
    host.rests()
}

/// Goes through a list of cuts on a host of its own each.
fn each_on_a_host(cuts: &[&[Cut]]) -> Result<()> {
    let Some(fleet) = hosts(cuts.len(), &UNITS)? else { return Ok(()) };
    fleet.each(|host| {
        let number = fleet.members.iter().position(|one| one.machine.name == host.machine.name);
        let cuts = number.and_then(|number| cuts.get(number)).context("it has its cuts")?;
        cuts.iter().try_for_each(|it| {
            install_old(host)?;
            cut(host, it).with_context(|| format!("{it:?}"))
        })
    })
}

/// Hosts whose agent is these units, two of which their releases ship.
fn hosts(count: usize, units: &[&str]) -> Result<Option<BootedFleet>> {
    let setup = Setup::default()
        .run("kind", "'systemd'")
        .run("units", &format!("{units:?}"))
        .run("unit_files", &format!("{UNITS:?}"));
    let Some(fleet) = BootedFleet::of(count, &setup)? else { return Ok(None) };
    fleet.each(|host| {
        host.machine.add_drop_in("units.conf")?;
        host.machine.write(STARTS, "", 0o644)?;
        host.machine.ask("systemctl daemon-reload && systemctl restart updater")?;
        host.answers()
    })?;
    Ok(Some(fleet))
}

fn unit_file(unit: &str, message: &str) -> String {
    let command = if unit == "agent.service" {
        "/opt/agent/current/bin/agent"
    } else {
        "/bin/sleep infinity"
    };
    let note = format!(
        "echo {unit} {message} $$(cat message) $$(readlink --canonicalize .) \
         $$RELEASE_PATH >>{STARTS}"
    );
    format!(
        "[Service]\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\nWorkingDirectory=/opt/agent/current\n\
         ExecStartPre=/bin/sh -c '{note}'\nExecStart={command}\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

fn release(message: &str, number: usize, bad: bool) -> Result<Release> {
    let status = bad.then_some(500);
    let tree = Tree::agent(&Behaviour { status, ..Behaviour::default() })?;
    let files = UNITS.map(|unit| (unit, unit_file(unit, message)));
    tree.units(&files.each_ref().map(|(unit, text)| (*unit, text.as_str())))?;
    tree.file("message", message)?;
    // Each is another one.
    tree.file("number", &number.to_string())?;
    tree.pack(Packing::Zstd)
}

fn install_old(host: &Member) -> Result<Release> {
    let old = release("old", lines(host)?.len(), false)?;
    let status = host.push(&old)?.result().with_context(|| host.journals())?.status;
    ensure!(status == Status::Updated, "{status:?}");
    host.machine.ask("systemctl enable --quiet agent sibling")?;
    Ok(old)
}

/// Lets the updater die in an update, and looks at the host before and after what follows.
fn cut(host: &Member, cut: &Cut) -> Result<()> {
    let new = release("new", lines(host)?.len(), cut.bad)?;
    die_at(host, cut.at)?;
    // Nobody is there to answer it.
    drop(host.push(&new));
    is_dead(host)?;
    let machine = &host.machine;
    let started = starts_in(host, || match cut.then {
        Afterwards::Boot => {
            machine.cut_power()?;
            host.holds()?;
            machine.boot()
        }
        Afterwards::Start => {
            host.holds()?;
            machine.ask(&format!("rm {DROP_IN} && systemctl daemon-reload"))?;
            // Its deaths so far were ordered.
            machine.ask("rm -rf /var/lib/updater/rescue")?;
            machine.ask("systemctl reset-failed updater && systemctl start updater").map(drop)
        }
    })?;
    ensure!(started == cut.starts, "{started:?} were started: {}", host.journals());
    let last = host.app()?.last.context("it has a last transaction")?;
    ensure!((last.outcome, last.target) == (cut.ends, Some(new.digest)), "{last:?}");
    Ok(())
}

/// From its next order on, the updater dies at a checkpoint, and nobody starts it again.
fn die_at(host: &Member, checkpoint: &str) -> Result<()> {
    let text = format!("[Service]\nRestart=no\nEnvironment=UPDATER_CRASH_AT={checkpoint}\n");
    host.machine.write(DROP_IN, text, 0o644)?;
    host.machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    host.answers()
}

fn is_dead(host: &Member) -> Result<()> {
    eventually("the updater to die", LONG, || {
        // A new updater waits for its master to ask.
        drop(host.health());
        (host.machine.show("updater", "ActiveState").ok()? == "failed").then_some(())
    })
    .with_context(|| host.journals())
}

/// The releases that agents were started of until the host was at rest again. Every start, of either
/// unit, was whole, and none was without the other.
fn starts_in(host: &Member, act: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
    let before = lines(host)?.len();
    act()?;
    host.answers()?;
    host.rests()?;
    let lines = lines(host)?.split_off(before);
    let mut starts = (Vec::new(), Vec::new());
    for line in &lines {
        let words: Vec<&str> = line.split(' ').collect();
        let [unit, shipped, message, current, environment] = words[..] else {
            anyhow::bail!("a start with something missing: {lines:?}\n{}", host.journals());
        };
        let whole = shipped == message && current == environment;
        ensure!(whole, "a start of two releases at once: {lines:?}\n{}", host.journals());
        let of_unit = if unit == "agent.service" { &mut starts.0 } else { &mut starts.1 };
        of_unit.push(shipped.to_owned());
    }
    ensure!(starts.0 == starts.1, "{lines:?}\n{}", host.journals());
    Ok(starts.0)
}

fn lines(host: &Member) -> Result<Vec<String>> {
    let text = fs::read_to_string(host.machine.disk().join(STARTS.trim_start_matches('/')))?;
    Ok(text.lines().map(str::to_owned).collect())
}
