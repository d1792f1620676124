//! Outside of transactions: whether a program is well is its own probe's answer, and what it died of is
//! kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    Behaviour, Fleet, Host, LONG, Output, Packing, Setup, Tree, eventually, host, program,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{AgentState, AppHealth, Outcome, Status};
use serde_json::Value;
use time::OffsetDateTime;

/// A host whose program is asked all the time.
fn often() -> Setup {
    Setup::default().health("every", "'50ms'").health("timeout", "'1s'")
}

fn until(host: &Host, what: &str, holds: impl Fn(&AppHealth) -> bool) -> Result<AppHealth> {
    eventually(what, LONG, || host.app().ok().filter(|app| holds(app))).with_context(|| host.log())
}

/// Ends the agent, and waits until the updater has seen it.
fn dies(host: &Host, times: u32) -> Result<AppHealth> {
    let running = until(host, "the agent to run", |app| app.pid.is_some())?;
    kill(Pid::from_raw(running.pid.context("a process")?.cast_signed()), Signal::SIGKILL)?;
    until(host, "the death to be kept", |app| {
        app.died.as_ref().is_some_and(|death| death.times == times)
    })
}

/// A release whose agent answers while this file is there.
fn gated(gate: &Path, message: &str) -> Result<Tree> {
    fs::write(gate, "")?;
    let waits_for = Some(PathBuf::from(gate));
    Tree::agent(&Behaviour { message: message.into(), waits_for, ..Behaviour::default() })
}

#[test]
fn what_an_agent_died_of_is_kept_and_a_crash_loop_does_not_run() -> Result<()> {
    let host = Host::alone(&Setup::default().run("backoff_max", "'1h'"))?;
    let release = Tree::healthy("mortal")?;
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    assert_eq!(host.app()?.died, None);
    let death = dies(&host, 1)?.died.context("a death")?;
    ensure!(death.how.contains("SIGKILL"), "{death:?}");
    ensure!(death.output.iter().any(|line| line == "agent mortal"), "{death:?}");
    let healed = until(&host, "it to run again", |app| app.healthy)?;
    assert_eq!(
        (healed.agent, healed.died.map(|death| death.times)),
        (AgentState::Running, Some(1))
    );
    ensure!(host.log().contains("SIGKILL"), "{}", host.log());

    dies(&host, 2)?;
    let starts = |app: &AppHealth| app.pid.is_some() && app.agent == AgentState::Crashing;
    let app = until(&host, "the next start", starts)?;
    assert!(!app.healthy, "{app:?}");
    ensure!(app.reason.is_some_and(|reason| reason.contains("SIGKILL")), "it says why");
    let metrics = host.master().get("/metrics")?.text();
    ensure!(metrics.contains("updater_app_agent_deaths{app=\"agent\"} 2\n"), "{metrics}");
    ensure!(metrics.contains("updater_app_healthy{app=\"agent\"} 0\n"), "{metrics}");
    // Another updater knows it too.
    host.kill()?;
    host.start()?;
    assert_eq!(host.app()?.died.map(|death| death.times), Some(2));
    let mut status = Command::new(program("updater")?);
    let said = Output::of(status.args(["status", "--config"]).arg(host.config()))?;
    ensure!(said.code == 1 && said.stdout.contains("2 times since"), "{said:?}");

    // The same release is no answer to that but by being proven.
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    let app = host.app()?;
    assert_eq!((app.agent, app.healthy, app.died), (AgentState::Running, true, None));
    host.rests()
}

#[test]
fn how_an_agent_died_is_known_to_an_updater_that_did_not_start_it() -> Result<()> {
    let host = Host::alone(&Setup::default().run("backoff_max", "'1h'"))?;
    let tree = Tree::saying("adopted")?;
    tree.program("bin/it", &fs::read_to_string(tree.path().join("bin/agent"))?)?;
    tree.program("bin/agent", "#!/bin/sh\nbin/it & trap \"kill $!; exit 3\" USR1\nwait\n")?;
    host.push(&tree.pack(Packing::Zstd)?)?.result()?;
    let running = |what: &str| until(&host, what, |app| app.healthy)?.pid.context("a process");
    let first = Pid::from_raw(running("the agent to run")?.cast_signed());
    host.kill()?;
    host.start()?;
    // Followed by then: it was asked.
    running("the agent to be followed")?;
    kill(first, Signal::SIGUSR1)?;
    let counted = |times: u32| {
        let is_kept = |app: &AppHealth| app.died.as_ref().is_some_and(|died| died.times == times);
        until(&host, "the death to be kept", is_kept)?.died.context("a death")
    };
    assert_eq!(counted(1)?.how, "exited with status 3");

    // No updater runs: its keeper alone sees the end.
    let second = running("the next agent")?;
    host.kill()?;
    kill(Pid::from_raw(second.cast_signed()), Signal::SIGKILL)?;
    let entry = Path::new("/proc").join(second.to_string());
    eventually("the agent to be gone", LONG, || (!entry.exists()).then_some(()))?;
    let gone_at = OffsetDateTime::now_utc();
    host.start()?;
    let death = counted(2)?;
    assert_eq!(death.how, "was killed by SIGKILL");
    ensure!(death.at <= gone_at, "{death:?}");
    ensure!(death.output.iter().any(|line| line == "agent adopted"), "{death:?}");
    ensure!(host.log().contains("the agent was killed by SIGKILL"), "{}", host.log());
    // It is counted once, and what is not started any more has not died.
    host.kill()?;
    host.start()?;
    let third = until(&host, "the third agent", |app| app.pid.is_some())?;
    assert_eq!(third.died.map(|death| death.times), Some(2));
    let metrics = host.master().get("/metrics")?.text();
    ensure!(metrics.contains("updater_app_agent_deaths{app=\"agent\"} 2\n"), "{metrics}");
    host.local(&["stop"])?.good()?;
    host.kill()?;
    host.start()?;
    assert_eq!(host.idle()?.died.map(|death| death.times), Some(2));
    host.rests()
}

#[test]
fn what_an_operator_or_a_transaction_ends_has_not_died() -> Result<()> {
    let host = host()?;
    host.installs("one")?;
    for operation in ["restart", "stop", "start"] {
        let mut command = Command::new(program("updater")?);
        Output::of(command.arg(operation).arg("--config").arg(host.config()))?.good()?;
    }
    host.installs("two")?;
    let crash = Behaviour { crash: Some("no".into()), ..Behaviour::default() };
    host.undoes(&Tree::release(&crash)?)?;
    host.rests()?;
    assert_eq!(host.app()?.died, None);
    ensure!(!host.state().join("deaths.json").exists(), "{}", host.log());
    Ok(())
}

#[test]
fn a_program_that_hangs_is_not_well_until_it_answers_and_nothing_is_restarted() -> Result<()> {
    let host = Host::alone(&often())?;
    let gate = host.config().with_file_name("gate");
    host.push(&gated(&gate, "hangs")?.pack(Packing::Zstd)?)?.result()?;
    let well = until(&host, "a first answer", |app| app.probe.is_some())?;
    ensure!(well.healthy && well.probe.is_some_and(|probe| probe.passed), "it is well");
    fs::remove_file(&gate)?;
    let unwell = until(&host, "the probe to fail", |app| !app.healthy)?;
    assert_eq!((unwell.agent, unwell.pid), (AgentState::Running, well.pid));
    let probe = unwell.probe.context("a last answer")?;
    ensure!(!probe.passed && probe.failures >= 2, "{probe:?}");
    ensure!(unwell.reason.context("a reason")?.contains("no answer within"), "why");
    fs::write(&gate, "")?;
    let again = until(&host, "it to be well again", |app| app.healthy)?;
    assert_eq!((again.pid, again.reason), (well.pid, None));
    // Changes are told, and nothing else.
    for line in ["does not answer its probe", "answers its probe again"] {
        assert_eq!(host.log().matches(line).count(), 1, "{line}: {}", host.log());
    }
    host.rests()
}

#[test]
fn a_stranded_host_is_not_well_until_something_is_proven() -> Result<()> {
    let host = Host::alone(&often().health("attempts", "2"))?;
    let gate = host.config().with_file_name("gate");
    let release = gated(&gate, "old")?.pack(Packing::Zstd)?;
    host.push(&release)?.result()?;
    fs::remove_file(&gate)?;
    let bad = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
    let problem = host.push(&bad)?.problem()?;
    assert_eq!(problem.code, protocol::Code::RollbackFailed);
    // However long the history gets.
    let history = host.state().join("history.jsonl");
    let line = fs::read_to_string(&history)?.lines().last().context("a line")?.to_owned();
    let mut refused: Value = serde_json::from_str(&line)?;
    refused["outcome"] = Outcome::Interrupted.into_str().into();
    let mut longer = fs::read_to_string(&history)?;
    for number in 0..1000 {
        refused["transaction"] = format!("0190a5c2-6f00-7000-8000-{number:012}").into();
        longer.extend([refused.to_string(), "\n".to_owned()]);
    }
    fs::write(&history, longer)?;
    host.kill()?;
    fs::write(&gate, "")?;
    host.start()?;
    let app = until(&host, "its program to answer", |app| app.probe.is_some())?;
    ensure!(app.stranded && !app.healthy, "{app:?}");
    ensure!(app.reason.is_some_and(|reason| reason.starts_with("stranded")), "it says so");
    let metrics = host.master().get("/metrics")?.text();
    ensure!(metrics.contains("updater_app_stranded{app=\"agent\"} 1\n"), "{metrics}");
    // That it runs is not enough: it is proven.
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    let app = host.app()?;
    ensure!(!app.stranded && app.healthy && !host.state().join("unproven.json").exists());
    Ok(())
}

#[test]
fn a_program_that_hangs_stops_a_rollout_before_its_first_host() -> Result<()> {
    let fleet = Fleet::of(2, &Setup::default().health("timeout", "'1s'"))?;
    let (sick, gate) = (&fleet.hosts[1], fleet.sandbox().path().join("gate"));
    fleet.update(&gated(&gate, "one")?, &[])?.good()?;
    let apart = |host: &Host| host.app().map(|app| app.pid);
    let before = (apart(&fleet.hosts[0])?, apart(sick)?);
    fs::remove_file(&gate)?;
    let output = fleet.update(&Tree::saying("two")?, &[])?;
    assert_eq!(output.code, 1, "{output:?}");
    for host in ["web-1", "web-2"] {
        let row = output.row(host)?;
        assert_eq!(row["code"], "unhealthy", "{row}");
        ensure!(row["detail"].as_str().is_some_and(|why| why.contains("no answer")), "{row}");
    }
    assert_eq!((apart(&fleet.hosts[0])?, apart(sick)?), before);
    for (command, code) in [("status", 1), ("check", 1)] {
        let said = fleet.swarm([command, "--host", "web-2"])?;
        ensure!(said.code == code && said.stdout.contains("its probe failed"), "{said:?}");
    }
    let why = fleet.swarm(["why", "web-2"])?;
    ensure!(why.stdout.contains("is not well: its probe failed"), "{why:?}");
    fs::write(&gate, "")?;
    fleet.update(&Tree::saying("two")?, &[])?.good()?;
    Ok(())
}

#[test]
fn of_a_program_that_keeps_dying_why_says_what_to_type() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default().run("backoff_max", "'1h'"))?;
    let host = &fleet.hosts[0];
    for release in ["one", "two"] {
        fleet.update(&Tree::saying(release)?, &[])?.good()?;
    }
    dies(host, 1)?;
    until(host, "it to run again", |app| app.healthy)?;
    dies(host, 2)?;
    until(host, "it to be given up for a while", |app| !app.healthy && app.died.is_some())?;
    let why = fleet.swarm(["why", "web-1"])?.good()?;
    let step =
        "next: what it printed: swarm logs web-1 --previous; to go back: swarm rollback web-1";
    ensure!(why.stdout.contains(step), "{why:?}");
    Ok(())
}

#[test]
fn a_stopped_program_is_started_and_never_called_current() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let (host, tree) = (&fleet.hosts[0], Tree::saying("one")?);
    fleet.update(&tree, &[])?.good()?;
    let stop = || {
        let mut command = Command::new(program("updater")?);
        Output::of(command.arg("stop").arg("--config").arg(host.config()))?.good()
    };
    stop()?;
    // Another release is not put upon a program that somebody stopped.
    let output = fleet.update(&Tree::saying("two")?, &[])?;
    let row = output.row("web-1")?;
    assert_eq!((output.code, &row["code"]), (1, &Value::from("unhealthy")), "{row}");
    assert_eq!(host.app()?.agent, AgentState::Stopped);
    let plan = fleet.swarm(["plan", "--all", "--root", &tree.path().display().to_string()])?;
    ensure!(plan.stdout.contains("will be started"), "{plan:?}");
    let again = fleet.update(&tree, &[])?.good()?;
    assert_eq!(again.row("web-1")?["outcome"], "updated");
    assert_eq!(host.app()?.agent, AgentState::Running);

    stop()?;
    let active = host.releases()?.active.context("a release")?.to_string();
    let back = fleet.swarm(["--json", "rollback", "--all", "--to", &active])?.good()?;
    // Gone back to, which is what was asked for.
    assert_eq!(back.row("web-1")?["outcome"], "rolled_back", "{back:?}");
    assert_eq!(host.app()?.agent, AgentState::Running);
    let current = fleet.update(&tree, &[])?.good()?;
    assert_eq!(current.row("web-1")?["outcome"], "already_current");
    Ok(())
}

#[test]
fn a_probe_that_is_wrong_in_itself_is_the_hosts_and_told_before_the_switch() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let pid = host.app()?.pid;
    let right = fs::read_to_string(host.config())?;
    host.stop()?;
    let port = format!(":{}/health", host.agent.port());
    fs::write(host.config(), right.replace(&port, ":1/health"))?;
    host.start()?;
    let next = Tree::healthy("next")?;
    let problem = host.push(&next)?.problem()?;
    assert_eq!(problem.code, protocol::Code::NotSupported);
    ensure!(problem.detail.contains("it listens elsewhere"), "{problem:?}");
    assert_eq!(host.app()?.pid, pid);
    assert_eq!(host.releases()?.active, Some(good));
    host.stop()?;
    fs::write(host.config(), right)?;
    host.start()?;
    // It said nothing about the release.
    assert_eq!(host.push(&next)?.result()?.status, Status::Updated);
    host.rests()
}

#[test]
fn a_probe_that_is_wrong_in_itself_does_not_quarantine_the_first_release() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default())?;
    let right = fs::read_to_string(host.config())?;
    let port = format!(":{}/health", host.agent.port());
    let first = Tree::healthy("first")?;
    fs::write(host.config(), right.replace(&port, ":1/health"))?;
    host.start()?;
    let problem = host.undoes(&first)?;
    let why = format!("it listens elsewhere ({})", host.agent);
    ensure!(problem.host_fault && problem.detail.contains(&why), "{problem:?}");
    ensure!(problem.detail.contains("mend [app.agent.health]"), "{problem:?}");
    host.stop()?;
    fs::write(host.config(), right)?;
    host.start()?;
    assert_eq!(host.push(&first)?.result()?.status, Status::Updated);
    host.rests()
}

#[test]
fn an_agent_is_found_again_when_the_state_directory_is_lost() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    let pid = host.app()?.pid;
    host.stop()?;
    fs::rename(host.state(), host.install().with_file_name("lost"))?;
    host.start()?;
    let app = until(&host, "the agent to be found", |app| app.pid.is_some())?;
    assert_eq!((app.pid, app.agent), (pid, AgentState::Running));
    host.runs(&release)?;
    let next = host.installs("two")?;
    host.runs(&next)?;
    ensure!(host.app()?.pid != pid, "the old one is gone");
    host.rests()
}

#[test]
fn an_agent_whose_app_was_taken_out_of_the_configuration_is_told() -> Result<()> {
    let host = host()?;
    host.installs("left")?;
    let pid = host.app()?.pid.context("it runs")?;
    host.stop()?;
    let config = fs::read_to_string(host.config())?;
    let renamed = config.replace("[app.agent", "[app.other").replace("/install'", "/other'");
    fs::write(host.config(), renamed)?;
    host.start()?;
    let told = format!("the agent of agent runs on as process {pid}");
    let warnings = host.health()?.warnings;
    ensure!(warnings.iter().any(|warning| warning.contains(&told)), "{warnings:?}");
    ensure!(host.log().contains(&told), "{}", host.log());
    for command in ["check", "status"] {
        let mut said = Command::new(program("updater")?);
        let said = Output::of(said.args([command, "--config"]).arg(host.config()))?;
        ensure!(said.stdout.contains(&told), "{command}: {said:?}");
    }
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    eventually("it to be gone", LONG, || host.health().ok().filter(|it| it.warnings.is_empty()))?;
    Ok(())
}

#[test]
fn swarm_check_tells_an_agent_whose_app_was_taken_out_of_the_configuration() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    fleet.update(&Tree::saying("left")?, &[])?.good()?;
    let host = &fleet.hosts[0];
    let pid = host.app()?.pid.context("it runs")?;
    fleet.swarm(["check"])?.good()?;
    host.stop()?;
    let config = fs::read_to_string(host.config())?;
    let renamed = config.replace("[app.agent", "[app.other").replace("/install'", "/other'");
    fs::write(host.config(), renamed)?;
    host.start()?;
    let checked = fleet.swarm(["check"])?;
    assert_eq!(checked.code, 1, "{checked:?}");
    let told = format!("the agent of agent runs on as process {pid}");
    ensure!(checked.stdout.contains(&told), "{checked:?}");
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    Ok(())
}
