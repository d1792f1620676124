//! The sockets that the updater passes on to processes, below its unit: systemd keeps them for the unit,
//! so neither the end of an updater nor that of an agent closes them.

use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::booted::{BootedFleet, Member};
use fleet_tests::{Behaviour, LONG, Load, Packing, Setup, Tree, eventually};
use protocol::{Code, Digest, Status};

/// A host that hands processes over, with none of the drop-ins.
fn booted() -> Result<Option<BootedFleet>> {
    let setup = Setup::default().app("user", "'daemon'").handover();
    let setup = setup.run("tasks", "200").run("memory", "'512MiB'");
    BootedFleet::of(1, &setup.health("ready_timeout", "'5s'"))
}

#[test]
fn each_updater_has_the_sockets_of_the_one_before_however_that_ended() -> Result<()> {
    let Some(fleet) = booted()? else { return Ok(()) };
    let host = &fleet.members[0];
    // One more socket that systemd passes on, which is not an app's.
    host.machine.ask("systemctl stop updater; systemctl start updater.socket updater")?;
    host.answers()?;
    pushes(host, "the first")?;
    let low = "sed 's/:8765/:80/' /etc/updater/updater.toml >/etc/updater/low.toml; \
               updater check --running --config /etc/updater/low.toml 2>&1 || true";
    let checked = host.machine.ask(low)?;
    ensure!(checked.contains("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"), "{checked}");
    let socket = listening(host, host.agent.port())?;
    is_kept(host, 1)?;
    is_in_a_scope(host)?;
    let load = Load::begin(host.agent);
    let ran = || -> Result<()> {
        pushes(host, "while nothing happens")?;
        restarts(host, "kill --signal=KILL --kill-whom=main")?;
        pushes(host, "after a kill")?;
        restarts(host, "restart")?;
        pushes(host, "after a restart")?;
        // Its successor is not systemd's child, and has them from itself.
        let updater = Tree::updater("next")?.pack(Packing::Zstd)?;
        let main = host.main_process()?;
        assert_eq!(host.push_self(&updater)?.result()?.status, Status::SelfUpdateQueued);
        host.is_now(&updater.digest)?;
        host.is_another(&main)?;
        pushes(host, "after an update of the updater")?;
        restarts(host, "kill --signal=KILL --kill-whom=main")?;
        let last = pushes(host, "after the new one was killed")?;
        let silent = Tree::release(&Behaviour { silent: true, ..Behaviour::default() })?;
        assert_eq!(host.push(&silent)?.problem()?.code, Code::RolledBack);
        host.runs(&last)
    };
    let ran = ran();
    load.loses_nothing(50)?;
    ran?;
    is_kept(host, 1)?;

    // systemd lets go of what an agent has shut, and is given it again.
    let shuts = Tree::release(&Behaviour { shuts: true, ..Behaviour::default() })?;
    assert_eq!(host.push(&shuts)?.problem()?.code, Code::RolledBack);
    is_kept(host, 1)?;
    restarts(host, "restart")?;
    pushes(host, "after it was shut")?;

    // Of both nothing is left. Nobody is refused.
    host.machine
        .ask("systemctl kill --signal=KILL --kill-whom=all updater 'updater-agent-*.scope'")?;
    TcpStream::connect(host.agent).context("while nobody is there")?;
    host.answers()?;
    pushes(host, "after both were killed")?;
    assert_eq!(listening(host, host.agent.port())?, socket, "{}", host.journals());
    Ok(())
}

#[test]
fn what_is_not_to_be_open_is_kept_by_nobody() -> Result<()> {
    let Some(fleet) = booted()? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    // A first install that fails leaves nothing.
    let silent = Tree::release(&Behaviour { silent: true, ..Behaviour::default() })?;
    assert_eq!(host.push(&silent)?.problem()?.code, Code::RolledBack);
    ensure!(TcpStream::connect(host.agent).is_err(), "somebody takes connections");
    is_kept(host, 0)?;

    pushes(host, "one")?;
    machine.ask("updater stop")?;
    ensure!(TcpStream::connect(host.agent).is_err(), "somebody takes connections");
    is_kept(host, 0)?;
    machine.ask("updater start")?;
    is_kept(host, 1)?;
    let one = pushes(host, "two")?;
    host.runs(&one)?;

    // The app moves. What still serves at the old address has its socket itself.
    let old = host.agent.port();
    machine.ask(&format!("sed -i s/:{old}/:8777/ /etc/updater/updater.toml"))?;
    restarts(host, "restart")?;
    is_kept(host, 0)?;
    TcpStream::connect(host.agent).context("the agent serves on")?;
    pushes(host, "elsewhere")?;
    is_kept(host, 1)?;
    ensure!(TcpStream::connect(host.agent).is_err(), "somebody listens at the old address");
    listening(host, 8777)?;
    Ok(())
}

/// To stop the unit empties what systemd keeps for it: then the agent has the sockets.
#[test]
fn after_a_stop_of_the_unit_the_sockets_are_the_agents_who_may_be_asked_for_them() -> Result<()> {
    let Some(fleet) = booted()? else { return Ok(()) };
    let host = &fleet.members[0];
    let machine = &host.machine;
    let checked = || machine.ask("updater check --running 2>&1 || true");
    let first = pushes(host, "one")?;
    let text = checked()?;
    ensure!(text.contains("sockets.conf"), "{text}");
    machine.ask("systemctl stop updater")?;
    restarts(host, "start")?;
    let next = Tree::healthy("two")?;
    let problem = host.push(&next)?.problem()?;
    ensure!(problem.code == Code::NotSupported, "{problem:?}");
    host.runs(&first)?;

    machine.add_drop_in("sockets.conf")?;
    machine.ask("systemctl daemon-reload")?;
    let text = checked()?;
    ensure!(!text.contains("sockets.conf"), "{text}");
    restarts(host, "restart")?;
    is_kept(host, 1)?;
    assert_eq!(host.push(&next)?.result()?.status, Status::Updated);
    host.runs(&next.digest)
}

fn pushes(host: &Member, message: &str) -> Result<Digest> {
    let release = Tree::healthy(message)?;
    let result = host.push(&release)?.result().with_context(|| host.journals())?;
    ensure!(result.status == Status::Updated, "{result:?}\n{}", host.journals());
    Ok(release.digest)
}

/// The agent is the updater's child, and in a control group of its own, which bounds it.
fn is_in_a_scope(host: &Member) -> Result<()> {
    let pid = host.app()?.pid.context("it runs")?;
    let group = host.machine.ask(&format!("sed -n s/^0:://p /proc/{pid}/cgroup"))?;
    let scope = group.strip_prefix("/system.slice/").context(group.clone())?;
    ensure!(
        scope.starts_with("updater-agent-") && scope.rsplit('.').next() == Some("scope"),
        "{scope}"
    );
    for (property, value) in [("TasksMax", 200), ("MemoryMax", 512 << 20)] {
        assert_eq!(host.machine.show(scope, property)?, value.to_string());
    }
    let warnings = host.app()?.warnings;
    ensure!(warnings.is_empty(), "{warnings:?}");
    Ok(())
}

/// Does something to the updater's unit, of whose start limit this is no test.
fn restarts(host: &Member, how: &str) -> Result<()> {
    let main = host.main_process()?;
    host.machine.ask(&format!("systemctl reset-failed updater; systemctl {how} updater"))?;
    host.is_another(&main)?;
    host.answers()
}

/// Waits until systemd keeps so many sockets for the updater's unit.
fn is_kept(host: &Member, count: u32) -> Result<()> {
    eventually("systemd to keep so many sockets", LONG, || {
        let kept = host.machine.show("updater", "NFileDescriptorStore").ok()?;
        (kept == count.to_string()).then_some(())
    })
    .with_context(|| host.journals())
}

/// Which socket listens on a port there, as the kernel numbers them.
fn listening(host: &Member, port: u16) -> Result<String> {
    let found = host
        .machine
        .ask(&format!("awk '$4 == \"0A\" && $2 ~ /:{port:04X}$/ {{ print $10 }}' /proc/net/tcp"))?;
    ensure!(!found.is_empty() && !found.contains('\n'), "not one socket listens there: {found:?}");
    Ok(found)
}
