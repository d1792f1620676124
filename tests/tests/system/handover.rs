//! `strategy = "handover"`: one agent follows the other while it still serves.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Host, LONG, Load, Setup, Tree, end_all, eventually, host, wording};
use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Code, EventKind, Phase, Status, header};

fn handing_over() -> Result<Host> {
    Host::alone(&Setup::default().handover())
}

fn pid(host: &Host) -> Result<u32> {
    host.app()?.pid.context("an agent runs")
}

#[test]
fn the_new_agent_is_ready_before_the_link_moves_and_the_old_one_goes_last() -> Result<()> {
    use Phase::{Draining, Probing, Staged, Starting, Switching, Watching};
    let host = handing_over()?;
    let first = host.installs("one")?;
    let old = pid(&host)?;
    let release = Tree::healthy("two")?;
    let answer = host.order("/update", &release).header("accept", header::NDJSON).send()?;
    let phases: Vec<Phase> = answer
        .events()?
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Phase { phase, .. } => Some(phase),
            _ => None,
        })
        .skip_while(|phase| *phase != Staged)
        .collect();
    assert_eq!(phases, [Staged, Starting, Switching, Draining, Probing, Watching]);
    assert_eq!(answer.result()?.status, Status::Updated);
    assert_ne!(pid(&host)?, old);
    host.keeps(&release.digest, Some(&first))?;
    host.rests()?;
    // And back again.
    assert_eq!(host.rollback()?.result()?.to, Some(first));
    host.keeps(&first, Some(&release.digest))?;
    host.rests()
}

/// Not one of them: a request is sent once, and what gets no answer is lost.
#[test]
fn no_request_is_lost_in_twenty_updates_and_five_failed_ones() -> Result<()> {
    let setup = Setup::default().handover().health("ready_timeout", "'5s'").app("keep", "2");
    let host = Host::alone(&setup)?;
    let slow = |message: String| Behaviour { message, slow_start_ms: 100, ..Behaviour::default() };
    host.push(&Tree::release(&slow("the first".to_owned()))?)?.result()?;
    let load = Load::begin(host.agent);
    let ran = (0..20).try_for_each(|number| {
        let good = Tree::release(&slow(format!("good {number}")))?;
        let result = host.push(&good)?.result()?;
        ensure!(result.status == Status::Updated, "{result:?}");
        if number % 4 > 0 {
            return Ok(());
        }
        let bad = slow(format!("bad {number}"));
        host.undoes(&Tree::release(&match number % 3 {
            0 => Behaviour { never_ready: true, ..bad },
            1 => Behaviour { crash: Some("no".to_owned()), ..bad },
            // Ready, and drained for; but nothing shows that it is the new release.
            _ => Behaviour { silent: true, ..bad },
        })?)?;
        host.keeps(&good.digest, host.releases()?.prev.as_ref())
    });
    load.loses_nothing(500)?;
    ran?;
    host.rests()
}

#[test]
fn a_new_agent_that_never_gets_ready_is_taken_away_and_the_old_one_never_notices() -> Result<()> {
    let host = Host::alone(&Setup::default().handover().health("ready_timeout", "'5s'"))?;
    let good = host.installs("good")?;
    let old = pid(&host)?;
    let mut told = Vec::new();
    for bad in [
        Behaviour { never_ready: true, ..Behaviour::default() },
        Behaviour { crash: Some("no such table".into()), ..Behaviour::default() },
        // What it shuts is the old one's too.
        Behaviour { shuts: true, ..Behaviour::default() },
    ] {
        let bad = Tree::release(&bad)?;
        let problem = host.undoes(&bad)?;
        // Whichever of the two has answered the last time.
        let (why, _) = problem.detail.split_once(", the last").unwrap_or((&problem.detail, ""));
        told.push(why.to_owned());
        assert!(!problem.output.is_empty(), "{problem:?}");
        let evidence = problem.transaction.context("a transaction")?;
        assert!(host.state().join("evidence").join(evidence.as_str()).is_dir());
        assert_eq!(pid(&host)?, old, "the old agent was touched");
        host.keeps(&good, None)?;
        host.rests()?;
        host.ask_agent("/")?;
        assert_eq!(host.push(&bad)?.problem()?.code, Code::Quarantined);
    }
    assert_snapshot!(told.join("\n"), @r"
    the agent was not ready within 5s
    the agent exited with status 3 before it was ready
    the agent was not ready within 5s
    ");
    Ok(())
}

#[test]
fn an_agent_that_opens_its_own_socket_is_told_so() -> Result<()> {
    let host = handing_over()?;
    let good = host.installs("good")?;
    let tree = Tree::saying("deaf to what it was passed")?;
    fs::rename(tree.path().join("bin/agent"), tree.path().join("bin/real"))?;
    tree.program("bin/agent", "#!/bin/sh\nunset LISTEN_FDS LISTEN_PID\nexec bin/real\n")?;
    let problem = host.undoes(&tree.pack(fleet_tests::Packing::Zstd)?)?;
    assert_snapshot!(wording(&problem.detail), @"the agent exited with status 1 before it was ready; it did not take LISTEN_FDS: Address already in use (os error 98)");
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn a_release_that_fails_in_its_watch_is_handed_back() -> Result<()> {
    let host = handing_over()?;
    let good = host.installs("good")?;
    for bad in [
        Behaviour { fails_after: Some(3), ..Behaviour::default() },
        Behaviour { dies_after: Some(3), ..Behaviour::default() },
    ] {
        let problem = host.order("/update?watch=1h", &Tree::release(&bad)?).send()?.problem()?;
        assert_eq!(problem.code, Code::RolledBack, "{problem:?}");
        host.keeps(&good, None)?;
        host.rests()?;
    }
    Ok(())
}

#[test]
fn lesson_22_an_old_agent_that_never_ends_is_drained_for_so_long_and_no_longer() -> Result<()> {
    let setup = Setup::default().handover().run("drain_timeout", "'300ms'");
    let host = Host::alone(&setup)?;
    let stubborn = Behaviour { ignores_term: true, ..Behaviour::default() };
    let stubborn = Tree::release(&stubborn)?;
    host.push(&stubborn)?.result()?;
    let next = host.installs("next")?;
    host.keeps(&next, Some(&stubborn.digest))?;
    host.rests()
}

#[test]
fn lesson_25_a_flag_for_one_start_is_not_there_at_the_next() -> Result<()> {
    let host = handing_over()?;
    let flag = |host: &Host| -> Result<Option<serde_json::Value>> {
        Ok(host.ask_agent("/environment")?.get("RELEASE_HANDOVER").cloned())
    };
    host.installs("one")?;
    host.installs("two")?;
    assert_eq!(flag(&host)?, Some("1".into()));
    let old = pid(&host)?;
    kill(Pid::from_raw(old.cast_signed()), Signal::SIGKILL)?;
    // Meanwhile whoever asks waits at the socket, and is not refused.
    assert_eq!(flag(&host)?, None);
    host.rests()?;
    assert_ne!(pid(&host)?, old);
    Ok(())
}

#[test]
fn the_process_that_took_the_connection_is_a_proof_on_a_passed_socket_too() -> Result<()> {
    let host = Host::alone(&Setup::default().handover().without_echo())?;
    host.installs("one")?;
    let second = host.installs("two")?;
    assert_eq!(host.running(), Some(second));
    host.rests()
}

#[test]
fn the_socket_outlives_the_updater_and_the_next_one_has_it_from_the_agent() -> Result<()> {
    let host = handing_over()?;
    let first = host.installs("one")?;
    let old = pid(&host)?;
    host.kill()?;
    assert_eq!(host.running(), Some(first));
    host.start()?;
    assert_eq!(pid(&host)?, old);
    let second = host.installs("two")?;
    host.keeps(&second, Some(&first))?;
    // Nobody is left who has it: it is opened anew.
    host.kill()?;
    end_all(&host.install());
    host.start()?;
    host.runs(&second)?;
    let third = host.installs("three")?;
    host.keeps(&third, Some(&second))?;
    host.rests()
}

#[test]
fn an_agent_from_before_is_handed_over_on_the_socket_that_it_opened_itself() -> Result<()> {
    let host = host()?;
    let first = host.installs("one")?;
    let old = pid(&host)?;
    host.kill()?;
    let config = fs::read_to_string(host.config())?;
    let keys = format!("[app.agent.run]\nstrategy = 'handover'\nsockets = ['{}']", host.agent);
    fs::write(host.config(), config.replace("[app.agent.run]", &keys))?;
    host.start()?;
    assert_eq!(pid(&host)?, old);
    let second = host.installs("two")?;
    host.keeps(&second, Some(&first))?;
    host.rests()
}

#[test]
fn what_cannot_be_handed_over_is_refused_before_anything_is_touched() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default().handover())?;
    let _stranger = std::net::TcpListener::bind(host.agent)?;
    host.start()?;
    let problem = host.push(&Tree::healthy("one")?)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (501, &Code::NotSupported));
    assert_snapshot!(wording(&problem.detail), @"failed to listen on ADDRESS for the agent: Address already in use (os error 98)");
    ensure!(host.store().is_empty() && host.incoming().is_empty(), "something was touched");
    Ok(())
}

#[test]
fn an_agent_that_an_operator_stopped_is_refused_and_started_by_an_order() -> Result<()> {
    let host = handing_over()?;
    host.installs("one")?;
    let stopped = fleet_tests::Output::of(
        std::process::Command::new(fleet_tests::program("updater")?)
            .args(["stop", "--config"])
            .arg(host.config()),
    )?;
    stopped.good()?;
    eventually("connections to be refused", LONG, || {
        std::net::TcpStream::connect(host.agent).err().map(drop)
    })?;
    host.installs("two")?;
    host.rests()
}
