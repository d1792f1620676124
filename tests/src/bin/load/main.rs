//! Measures what clients see of ten good updates and three bad ones, by each way in which one release follows
//! another, and prints it as a table. With handovers, it fails if a request was refused or cut off.
//!
//! Words are names of rows (`h`, `p`, `r`, `rs`); without any, all are tried.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{Answer, Behaviour, Host, Load, LoadReport, Release, Setup, Tree};
use protocol::Status;

const GOOD: u32 = 10;
const CLIENTS: u32 = 4;

const SOCKET: &str = "[Socket]\nListenStream=0.0.0.0:8765\nService=agent@a.service\n";
const TEMPLATE: &str = "[Service]\nUser=daemon\nSockets=agent.socket\n\
    WorkingDirectory=/opt/agent/current@%i\nExecStart=/opt/agent/current@%i/bin/agent\nRestart=always\nRestartSec=0\n";
const UNIT: &str = "[Service]\nUser=daemon\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\n\
    WorkingDirectory=/opt/agent/current\nExecStart=/opt/agent/current/bin/agent\n";

#[derive(Debug, Parser)]
struct Arguments {
    /// Names of rows; without any, all.
    rows: Vec<String>,
}

/// How one release follows another.
struct Way {
    name: &'static str,
    what: &'static str,
    /// Whether nothing may be lost.
    hands_over: bool,
    measure: fn() -> Result<Option<Measured>>,
}

const WAYS: [Way; 4] = [
    Way { name: "h", what: "units, handover", hands_over: true, measure: units_handed_over },
    Way { name: "p", what: "process, handover", hands_over: true, measure: process_handed_over },
    Way { name: "r", what: "process, restart", hands_over: false, measure: process_restarted },
    Way { name: "rs", what: "unit, restart", hands_over: false, measure: unit_restarted },
];

/// What clients saw of the good updates, and of the bad ones.
struct Measured {
    good: LoadReport,
    bad: LoadReport,
}

fn main() -> Result<ExitCode> {
    let wanted = Arguments::parse().rows;
    let mut lost = false;
    say(
        "| app | 10 good updates: requests, failed, longest | 3 bad ones: requests, failed, answered 500 |",
    )?;
    say("|---|---|---|")?;
    for way in WAYS.iter().filter(|way| wanted.is_empty() || wanted.contains(&way.name.to_owned()))
    {
        let Some(Measured { good, bad }) = (way.measure)().with_context(|| way.name)? else {
            say(&format!(
                "| {}: {} | not measured: no host can be booted here | |",
                way.name, way.what
            ))?;
            continue;
        };
        lost |= way.hands_over && !(good.lost.is_empty() && bad.refused().is_empty());
        say(&format!(
            "| {}: {} | {} · {} · {} ms | {} · {} · {} |",
            way.name,
            way.what,
            good.requests(),
            good.lost.len(),
            good.longest().as_millis(),
            bad.requests(),
            bad.refused().len(),
            bad.lost.len() - bad.refused().len(),
        ))?;
        for why in good.lost.iter().chain(bad.refused()).filter(|_| way.hands_over).take(5) {
            say(&format!("<!-- {why} -->"))?;
        }
    }
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn process_handed_over() -> Result<Option<Measured>> {
    of_host(&setup().handover())
}

fn process_restarted() -> Result<Option<Measured>> {
    of_host(&setup())
}

fn units_handed_over() -> Result<Option<Measured>> {
    let setup = setup()
        .run("kind", "'systemd'")
        .run("units", "['agent.socket', 'agent@.service']")
        .run("strategy", "'handover'")
        .health("ready_url", "'http://{agent}/ready'");
    of_member(&setup, &[("agent.socket", SOCKET), ("agent@.service", TEMPLATE)])
}

fn unit_restarted() -> Result<Option<Measured>> {
    let setup = setup().run("kind", "'systemd'").run("units", "['agent.service']");
    of_member(&setup, &[("agent.service", UNIT)])
}

fn setup() -> Setup {
    Setup::default().health("ready_timeout", "'5s'").health("watch", "'2s'").app("keep", "2")
}

fn of_host(setup: &Setup) -> Result<Option<Measured>> {
    let host = Host::alone(setup)?;
    measured(|| Load::of_new_connections(host.agent, CLIENTS), |release| host.push(release))
        .map(Some)
}

fn of_member(setup: &Setup, units: &[(&str, &str)]) -> Result<Option<Measured>> {
    let setup = setup.clone().app("user", "'daemon'");
    let Some(fleet) = BootedFleet::of_debian(Debian::This, 1, &setup)? else { return Ok(None) };
    let host: &Member = fleet.members.first().context("a host")?;
    host.machine.add_drop_in("units.conf")?;
    for (unit, text) in units {
        host.machine.write(&format!("/etc/systemd/system/{unit}"), text, 0o644)?;
    }
    host.machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    host.answers()?;
    measured(|| Load::of_new_connections(host.agent, CLIENTS), |release| host.push(release))
        .map(Some)
}

fn measured(
    load: impl Fn() -> Load,
    push: impl Fn(&Release) -> Result<Answer>,
) -> Result<Measured> {
    let updates = |message: String| -> Result<()> {
        let good = Behaviour { message, slow_start_ms: 100, ..Behaviour::default() };
        let result = push(&Tree::release(&good)?)?.result()?;
        ensure!(result.status == Status::Updated, "{result:?}");
        Ok(())
    };
    updates("the first".to_owned())?;
    let clients = load();
    let ran = (0..GOOD).try_for_each(|number| updates(format!("good {number}")));
    let good = clients.end()?;
    ran?;
    let clients = load();
    let ran = [
        Behaviour { crash: Some("no".to_owned()), ..Behaviour::default() },
        Behaviour { never_ready: true, silent: true, ..Behaviour::default() },
        Behaviour { status: Some(500), ..Behaviour::default() },
    ]
    .iter()
    .try_for_each(|bad| push(&Tree::release(bad)?)?.problem().map(drop));
    let bad = clients.end()?;
    ran?;
    Ok(Measured { good, bad })
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
