//! Agents that misbehave, and updaters that come back to them.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    Behaviour, Host, LONG, Packing, Setup, Tree, end_all, eventually, host, wording,
};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Digest, Outcome, Status};

/// Waits until the agent of this release runs as another process than `before`.
fn runs_anew(host: &Host, digest: &Digest, before: Option<u32>) -> Result<u32> {
    let pid = eventually("the agent to be started again", LONG, || {
        host.app().ok()?.pid.filter(|pid| Some(*pid) != before)
    })
    .with_context(|| host.log())?;
    host.runs(digest)?;
    Ok(pid)
}

fn kill_agent(host: &Host) -> Result<u32> {
    let pid = host.app()?.pid.context("an agent runs")?;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    Ok(pid)
}

#[test]
fn lesson_19_the_same_agent_goes_on_through_a_crash_in_the_watch() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    drop(host.order_until_watched(&release)?);
    let pid = host.app()?.pid;
    host.kill()?;
    host.holds()?;
    assert_eq!(host.running(), Some(release.digest));
    host.sleep_through_watch()?;
    host.start()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!(last.outcome, Outcome::Updated);
    assert_eq!(host.app()?.pid, pid, "it was started twice");
    host.rests()
}

#[test]
fn lesson_10_an_agent_that_dies_in_a_watch_that_another_updater_began_is_undone() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let bad = Tree::healthy("bad")?;
    drop(host.order_until_watched(&bad)?);
    host.kill()?;
    host.start()?;
    host.runs(&bad.digest)?;
    // Not this updater's child: only that it ended can be seen.
    kill_agent(&host)?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::RolledBack, Some(good)));
    host.rests()
}

#[test]
fn an_agent_that_died_while_no_updater_ran_has_to_prove_itself_anew() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    drop(host.order_until_watched(&release)?);
    let before = host.app()?.pid.context("an agent runs")?;
    host.kill()?;
    kill(Pid::from_raw(before.cast_signed()), Signal::SIGKILL)?;
    host.sleep_through_watch()?;
    host.start()?;
    let app = host.idle()?;
    let last = app.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    assert_ne!(app.pid, Some(before));
    host.rests()
}

#[test]
fn an_agent_that_flaps_is_started_again_and_again_and_can_be_replaced() -> Result<()> {
    let host = Host::alone(&Setup::default().run("backoff_max", "'200ms'"))?;
    let flapping = host.installs("flapping")?;
    let mut pid = None;
    for _ in 0..4 {
        pid = Some(runs_anew(&host, &flapping, pid)?);
        kill_agent(&host)?;
    }
    runs_anew(&host, &flapping, pid)?;
    host.rests()?;
    // While it is down, or just up, another release takes its place.
    kill_agent(&host)?;
    let good = host.installs("good")?;
    host.keeps(&good, Some(&flapping))?;
    host.rests()
}

#[test]
fn an_agent_that_goes_into_the_background_is_undone_and_leaves_nothing() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let tree = Tree::agent(&Behaviour { message: "away".into(), ..Behaviour::default() })?;
    tree.program("bin/it", &fs::read_to_string(tree.path().join("bin/agent"))?)?;
    tree.program("bin/agent", "#!/bin/sh\nsetsid bin/it &\nexit 0\n")?;
    let release = tree.pack(Packing::Zstd)?;
    let problem = host.undoes(&release)?;
    let said = &problem.detail;
    ensure!(said.starts_with("the agent exited with status 0 and left "), "{said}");
    ensure!(
        said.contains(" (agent): it went to the background. Run it in the foreground"),
        "{said}"
    );
    let store = host.release(&release.digest);
    assert_eq!(fleet_tests::processes_of(&store), []);
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn all_that_a_program_printed_is_kept_that_failed_to_start() -> Result<()> {
    let setup = Setup::default().run("forks", "true").run("pid_file", "'agent.pid'");
    let host = Host::alone(&setup)?;
    let tree = Tree::empty()?;
    tree.program("bin/agent", "#!/bin/sh\nseq 1 500\necho no such site >&2\nexit 4\n")?;
    let problem = host.undoes(&tree.pack(Packing::Zstd)?)?;
    ensure!(problem.detail.contains("exited with status 4"), "{problem:?}");
    let evidence = fs::read_dir(host.state().join("evidence"))?.next().context("evidence")??;
    let log = fs::read_to_string(evidence.path().join("agent.log"))?;
    assert_eq!((log.lines().count(), log.lines().last()), (501, Some("no such site")));
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(evidence.path().join("evidence.json"))?)?;
    assert_eq!(kept["agent_log"], "agent.log");
    host.rests()
}

#[test]
fn an_agent_that_lives_and_listens_no_more_is_undone_in_its_watch() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let deaf = Behaviour { closes_after: Some(2), ..Behaviour::default() };
    let call = host.order("/update?watch=1h", &Tree::release(&deaf)?);
    let problem = call.send()?.problem()?;
    assert_snapshot!(wording(&problem.detail), @"2 failures in a row during the watch, the last: connect to ADDRESS: Connection refused (os error 111)");
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn lesson_20_a_stranger_that_got_the_agents_number_is_let_live() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    host.kill()?;
    end_all(&host.install());
    let mut stranger = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn()?;
    let record = host.state().join("instance.json");
    let mut instance: serde_json::Value = serde_json::from_slice(&fs::read(&record)?)?;
    instance["leader"]["pid"] = stranger.id().into();
    fs::write(&record, instance.to_string())?;
    let done = (|| {
        host.start()?;
        let pid = runs_anew(&host, &release, None)?;
        ensure!(pid != stranger.id(), "the stranger was taken for the agent");
        host.installs("two")?;
        ensure!(stranger.try_wait()?.is_none(), "the stranger was killed");
        host.rests()
    })();
    stranger.kill()?;
    stranger.wait()?;
    done
}

#[test]
fn an_update_after_the_agent_died_unseen_is_as_any_other() -> Result<()> {
    let host = host()?;
    let first = host.installs("one")?;
    let pid = host.app()?.pid;
    host.kill()?;
    // Its parent is gone, so whoever adopted it reaps it late or never: it may stay as a zombie.
    end_all(&host.install());
    host.start()?;
    runs_anew(&host, &first, pid)?;
    let second = Tree::healthy("two")?;
    assert_eq!(host.push(&second)?.result()?.status, Status::Updated);
    host.keeps(&second.digest, Some(&first))?;
    host.rests()
}

#[test]
fn a_command_is_told_until_it_is_in_force() -> Result<()> {
    let host = host()?;
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("release.toml", "[run]\ncommand = ['./bin/agent']\n")?;
    let release = tree.pack(Packing::Zstd)?;
    assert_eq!(host.push(&release)?.result()?.status, Status::Updated);
    let told = || -> Result<bool> {
        let warnings = host.app()?.warnings;
        Ok(warnings.iter().any(|text| text.contains("started with the command")))
    };
    let configured = |line: &str, new: &str| -> Result<()> {
        let config = fs::read_to_string(host.config())?;
        ensure!(config.contains(line), "{config}");
        fs::write(host.config(), config.replace(line, new))?;
        host.stop()?;
        host.start()?;
        host.runs(&release.digest)
    };
    ensure!(!told()?, "nothing has changed");
    // Without it, what the release says counts.
    configured("command = ['bin/agent']\n", "")?;
    ensure!(told()?, "that it is gone is not told: {}", host.log());
    assert!(host.local(&["restart"])?.good().is_ok());
    host.runs(&release.digest)?;
    ensure!(!told()?, "it is in force: {:?}", host.app()?.warnings);
    configured("[app.agent.run]\n", "[app.agent.run]\ncommand = ['bin/agent', 'more']\n")?;
    ensure!(told()?, "that it is another one is not told: {}", host.log());
    let next = Tree::healthy("next")?;
    assert_eq!(host.push(&next)?.result()?.status, Status::Updated);
    ensure!(!told()?, "it is in force: {:?}", host.app()?.warnings);
    host.rests()
}
