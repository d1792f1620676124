//! What else there is on a host starts an agent's unit, or survives its stop: it never counts as the release
//! that was just started.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Debian, Member};
use fleet_tests::{LONG, Release, Setup, Tree, eventually, on_each_debian};
use protocol::{Code, Phase, Status};

on_each_debian!(
    what_is_started_while_it_should_stop_is_stopped_again,
    what_a_stopped_unit_leaves_behind_is_killed,
    a_restart_that_something_else_orders_is_not_held_against_the_release,
);

/// A host with an agent of one unit, which proves itself by its process alone.
fn booted(debian: Debian, service: &str) -> Result<Option<BootedFleet>> {
    let setup = Setup::default()
        .without_echo()
        .run("kind", "'systemd'")
        .run("units", "['agent.service']")
        .run("stop_grace", "'20s'");
    let Some(fleet) = BootedFleet::of_debian(debian, 1, &setup)? else { return Ok(None) };
    let machine = &fleet.members[0].machine;
    let unit = format!(
        "[Service]\nEnvironment=AGENT_LISTEN=0.0.0.0:8765\nWorkingDirectory=/opt/agent/current\n{service}"
    );
    machine.write("/etc/systemd/system/agent.service", unit, 0o644)?;
    machine.add_drop_in("units.conf")?;
    machine.ask("systemctl daemon-reload && systemctl restart updater")?;
    fleet.members[0].answers()?;
    Ok(Some(fleet))
}

fn what_is_started_while_it_should_stop_is_stopped_again(debian: Debian) -> Result<()> {
    let service = "ExecStart=/opt/agent/current/bin/agent\n";
    let Some(fleet) = booted(debian, service)? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    updated(host, &Tree::healthy("one")?)?;
    let before = machine.show("agent.service", "MainPID")?;
    // The agent's stop waits for that of what needs it, which waits for this file.
    machine.write(
        "/etc/systemd/system/dependent.service",
        "[Unit]\nRequires=agent.service\nAfter=agent.service\n[Service]\nExecStart=/bin/sleep infinity\n\
         ExecStop=/bin/sh -c 'until [ -e /run/started ]; do sleep 0.1; done'\n",
        0o644,
    )?;
    machine.ask("systemctl daemon-reload && systemctl start dependent")?;
    let two = Tree::healthy("two")?;
    std::thread::scope(|scope| {
        let ordered = scope.spawn(|| updated(host, &two));
        eventually("the agent's stop to wait", LONG, || {
            let jobs = machine.ask("systemctl list-jobs --no-legend").ok()?;
            let is_stop =
                |job: &str| job.split_whitespace().skip(1).eq(["agent.service", "stop", "waiting"]);
            jobs.lines().any(is_stop).then_some(())
        })
        .with_context(|| host.journals())?;
        // An administrator, a timer, or a tool that keeps things running: the stop is void.
        machine.ask("systemctl start --no-block agent && touch /run/started")?;
        ordered.join().ok().context("it does not panic")?
    })?;
    host.runs(&two.digest)?;
    ensure!(machine.show("agent.service", "MainPID")? != before, "it was never stopped");
    Ok(())
}

fn what_a_stopped_unit_leaves_behind_is_killed(debian: Debian) -> Result<()> {
    let service = "ExecStart=/bin/sh -c 'setsid /opt/agent/current/bin/agent & exec sleep infinity'\n\
        KillMode=process\n";
    let Some(fleet) = booted(debian, service)? else { return Ok(()) };
    let host = &fleet.members[0];
    for note in ["one", "two", "three"] {
        let release = Tree::healthy(note)?;
        updated(host, &release)?;
        host.runs(&release.digest)?;
        ensure!(host.agents()? == 1, "another one runs\n{}", host.journals());
    }
    host.machine.ask("updater stop")?;
    ensure!(host.agents()? == 0, "one runs after its stop\n{}", host.journals());
    Ok(())
}

fn a_restart_that_something_else_orders_is_not_held_against_the_release(
    debian: Debian,
) -> Result<()> {
    let service = "ExecStart=/opt/agent/current/bin/agent\n";
    let Some(fleet) = booted(debian, service)? else { return Ok(()) };
    let host = &fleet.members[0];
    updated(host, &Tree::healthy("one")?)?;
    let two = Tree::healthy("two")?;
    for line in ["systemctl restart agent", "systemctl stop agent"] {
        let problem = std::thread::scope(|scope| {
            let ordered = scope.spawn(|| host.order("/update?watch=1m", &two).send()?.problem());
            eventually("the release to be watched", LONG, || {
                host.app().ok().filter(|app| app.state == Phase::Watching).map(|_| ())
            })
            .with_context(|| host.journals())?;
            // needrestart, an administrator, a tool that keeps things as they should be.
            host.machine.ask(line)?;
            ordered.join().ok().context("it does not panic")?
        })?;
        ensure!(problem.code == Code::RolledBack && problem.host_fault, "{line}: {problem:?}");
        ensure!(problem.detail.contains("by something else on this host"), "{problem:?}");
    }
    updated(host, &two)
}

fn updated(host: &Member, release: &Release) -> Result<()> {
    let result = host.push(release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}");
    Ok(())
}
