//! `updater stop`, `start` and `restart`: what an operator stopped is left alone.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Host, LONG, Output, Tree, eventually, host, program, wording};
use insta::assert_snapshot;
use protocol::AgentState;

fn updater(host: &Host, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program("updater")?);
    let (first, rest) = arguments.split_first().context("a command")?;
    Output::of(command.arg(first).arg("--config").arg(host.config()).args(rest))
}

fn is_stopped(host: &Host) -> Result<()> {
    let stopped = || host.app().ok().filter(|app| app.agent == AgentState::Stopped);
    let app = eventually("the agent to be stopped", LONG, stopped)?;
    assert_eq!((app.healthy, app.pid), (true, None));
    host.rests()?;
    assert_eq!(host.running(), None);
    Ok(())
}

#[test]
fn what_an_operator_stopped_stays_stopped_until_it_is_started() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    let said = updater(&host, &["stop"])?.good()?.stdout;
    assert_snapshot!(wording(&said), @"agent is stopped, and stays so until `updater start` or the next update");
    is_stopped(&host)?;
    updater(&host, &["stop"])?.good()?;
    for end in [Host::kill, Host::stop] {
        end(&host)?;
        host.start()?;
        is_stopped(&host)?;
    }
    updater(&host, &["start"])?.good()?;
    host.runs(&release)?;
    host.rests()?;
    let pid = host.app()?.pid.context("it runs")?;
    // Started already: nothing happens. Restarted: the same release, another process.
    updater(&host, &["start"])?.good()?;
    assert_eq!(host.app()?.pid, Some(pid));
    let said: serde_json::Value = updater(&host, &["restart", "--json"])?.json()?;
    assert!(said["pid"].is_u64() && said["pid"] != pid, "{said}");
    host.runs(&release)?;
    host.rests()
}

#[test]
fn an_update_that_starts_what_an_operator_stopped_says_so() -> Result<()> {
    let host = host()?;
    host.installs("one")?;
    let mut stop = Command::new(program("updater")?);
    stop.args(["stop", "--config"]).arg(host.config()).env("SUDO_USER", "ada");
    Output::of(&mut stop)?.good()?;
    let said =
        "the program was stopped on the host by ada (updater stop): this update started it again";
    let updated = host.push(&Tree::healthy("two")?)?.result()?;
    assert_eq!(updated.notes, [said]);
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!(last.detail.as_deref(), Some(said));
    assert_eq!(host.push(&Tree::healthy("three")?)?.result()?.notes, [""; 0]);
    Ok(())
}

#[test]
fn the_tab_key_offers_apps_and_the_releases_of_this_host() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    let offered = |words: &[&str]| -> Result<String> {
        let mut asked = Command::new(program("updater")?);
        asked.env("UPDATER_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        asked.env("_CLAP_IFS", "\n").args(["--", "updater"]).args(words);
        Ok(Output::of(&mut asked)?.good()?.stdout)
    };
    let config = host.config();
    let config = config.to_str().context("a path")?;
    assert_eq!(offered(&["stop", "--config", config, "--app", ""])?.trim(), "agent");
    let to = offered(&["rollback", "--config", config, "--to", ""])?;
    assert_eq!(to.trim(), release.short());
    assert_eq!(offered(&["rollback", "--config", "/nonexistent", "--to", ""])?.trim(), "");
    Ok(())
}

#[test]
fn an_operator_needs_no_updater() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    host.kill()?;
    updater(&host, &["stop"])?.good()?;
    assert_eq!(host.running(), None);
    host.start()?;
    is_stopped(&host)?;
    host.kill()?;
    updater(&host, &["start"])?.good()?;
    host.runs(&release)?;
    host.start()?;
    host.rests()
}

#[test]
fn an_updater_that_died_while_stopping_is_followed_by_one_that_stops() -> Result<()> {
    let host = host()?;
    host.installs("one")?;
    host.kill()?;
    // What is there between the two halves of a stop.
    fs::write(host.state().join("stopped"), "")?;
    host.start()?;
    is_stopped(&host)
}

#[test]
fn an_operator_is_told_what_had_to_be_killed() -> Result<()> {
    let host = host()?;
    let stubborn = Behaviour { ignores_term: true, ..Behaviour::default() };
    host.push(&Tree::release(&stubborn)?)?.result()?;
    let killed = "did not end on TERM within 500ms and had to be killed";
    let said: serde_json::Value = updater(&host, &["restart", "--json"])?.json()?;
    let notes = said["notes"].as_array().context("notes")?;
    ensure!(notes.len() == 1 && notes[0].as_str().is_some_and(|it| it.ends_with(killed)), "{said}");
    let said = updater(&host, &["stop"])?.good()?.stdout;
    ensure!(said.trim_end().ends_with(killed), "{said}");
    let kept = fs::read_to_string(host.state().join("operations.jsonl"))?;
    ensure!(kept.lines().filter(|line| line.contains(killed)).count() == 2, "{kept}");
    Ok(())
}

#[test]
fn an_update_starts_what_was_stopped() -> Result<()> {
    let host = host()?;
    let first = host.installs("one")?;
    updater(&host, &["stop"])?.good()?;
    let second = host.installs("two")?;
    host.keeps(&second, Some(&first))?;
    host.rests()
}

#[test]
fn an_agent_is_stopped_on_the_spot_only() -> Result<()> {
    let host = host()?;
    let release = host.installs("one")?;
    assert_eq!(host.master().post("/agent/stop").send()?.status, 404);
    host.runs(&release)?;
    Ok(())
}
