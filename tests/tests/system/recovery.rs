//! The updater is killed wherever it may be, and the next one finishes the work.

use std::fs;

use anyhow::{Context as _, Result};
use fleet_tests::faults::{CallFilter, CallInterceptor, Effect, Fault};
use fleet_tests::{Host, LONG, Setup, Tree, eventually, host};
use nix::errno::Errno;
use protocol::{AgentState, Code, Outcome, Phase};
use updater::transaction::ReleaseStates;

#[test]
fn a_release_that_was_half_removed_is_litter_and_no_release() -> Result<()> {
    let host = Host::alone(&Setup::default().app("keep", "2"))?;
    host.installs("one")?;
    host.installs("two")?;
    host.kill()?;
    host.start_crashing("record_removed")?;
    host.answers()?;
    let third = Tree::healthy("three")?;
    assert!(host.push(&third).is_err(), "it was not killed");
    host.answers()?;
    host.rests()?;
    host.runs(&third.digest)?;
    assert_eq!(host.store().len(), 2);
    Ok(())
}

#[test]
fn a_release_that_is_gone_is_not_known_though_nobody_lived_to_write_that_down() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default().app("keep", "2"))?;
    let interceptor = CallInterceptor::new(&host.config(), &host.directory);
    host.start_intercepted(&interceptor)?;
    host.answers()?;
    let gone = host.installs("one")?;
    host.installs("two")?;
    let directory = host.release(&gone);
    let unsaid: CallFilter = Box::new(move |call| {
        call.act == Effect::Make && call.path.starts_with("state/apps/agent") && !directory.exists()
    });
    interceptor.arm(vec![(unsaid, Fault::Kill)]);
    assert!(host.push(&Tree::healthy("three")?).is_err(), "it was not killed");
    interceptor.disarm();
    host.kill()?;
    let known =
        || anyhow::Ok(ReleaseStates::read(&host.state().join("releases.json"))?.whole(&gone));
    assert!(known()?, "it was written down before it was gone");
    host.start()?;
    host.rests()?;
    assert!(!known()?);
    Ok(())
}

#[test]
fn a_watch_survives_the_updaters_restart() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    drop(host.order_until_watched(&release)?);
    host.kill()?;
    host.start()?;
    assert_ne!(host.app()?.state, Phase::Idle, "the watch was forgotten");
    host.kill()?;
    host.sleep_through_watch()?;
    host.start()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    let said = last.detail.context("that it died is told")?;
    assert_eq!(said, "the host or the updater died 2 times during this update");
    Ok(())
}

#[test]
fn the_third_death_in_one_update_turns_it_around() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let bad = Tree::healthy("what takes its host down")?;
    drop(host.order_until_watched(&bad)?);
    let watches = || {
        eventually("its watch", LONG, || {
            host.app().ok().filter(|app| app.state == Phase::Watching).map(drop)
        })
    };
    // One that is told to end does not die.
    for end in [Host::stop, Host::kill, Host::stop, Host::kill, Host::stop] {
        end(&host)?;
        host.start()?;
        watches()?;
    }
    host.kill()?;
    // What dies on the way back does not change the way.
    host.start_crashing("active_flipped,outcome_written")?;
    host.answers()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::RolledBack, Some(good)));
    let said = last.detail.context("why")?;
    assert_eq!(said, "reversed: the host or the updater died 3 times during this update");
    host.runs(&good)?;
    let log = host.log();
    assert!(log.contains(&said), "{log}");
    assert_eq!(host.push(&bad)?.problem()?.code, Code::Quarantined);
    host.keeps(&good, None)
}

#[test]
fn lesson_19_an_agent_outlives_its_updater_and_is_found_again() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let pid = host.app()?.pid;
    for end in [Host::kill, Host::stop] {
        end(&host)?;
        assert_eq!(host.running(), Some(release.digest));
        host.start()?;
        let found = eventually("the agent to be found", LONG, || {
            host.app().ok().filter(|app| app.agent == AgentState::Running)
        })?;
        assert_eq!(found.pid, pid);
    }
    // And it is still the updater's to stop.
    let second = Tree::healthy("two")?;
    host.push(&second)?.result()?;
    assert_eq!(host.running(), Some(second.digest));
    Ok(())
}

#[test]
fn an_agent_is_started_at_boot() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    host.kill()?;
    // As in a power cut, the agent goes too.
    fleet_tests::end_all(&host.install());
    assert_eq!(host.running(), None);
    host.start()?;
    host.runs(&release.digest)
}

#[test]
fn lesson_08_a_damaged_record_breaks_no_answer() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let record = host.release(&release.digest);
    fs::write(record.join(".release.json"), "{ \"format\": ")?;
    let health = host.master().get("/health")?;
    assert_eq!(health.status, 200, "{health:?}");
    let app = host.app()?;
    assert_eq!(app.active.context("it still runs")?.digest, release.digest);
    assert_eq!(host.master().get("/releases")?.status, 200);
    assert_eq!(host.master().get("/metrics")?.status, 200);
    // It can be updated all the same, after a restart too.
    host.kill()?;
    host.start()?;
    assert!(!host.app()?.warnings.is_empty(), "nobody is told");
    let second = Tree::healthy("two")?;
    host.push(&second)?.result()?;
    assert_eq!(host.running(), Some(second.digest));
    Ok(())
}

#[test]
fn a_torn_line_of_the_history_breaks_nothing() -> Result<()> {
    let host = host()?;
    host.push(&Tree::healthy("one")?)?.result()?;
    host.kill()?;
    let history = host.state().join("history.jsonl");
    let text = fs::read_to_string(&history)?;
    fs::write(&history, format!("{text}{{\"format\":1,\"trans"))?;
    host.start()?;
    host.push(&Tree::healthy("two")?)?.result()?;
    let lines = fs::read_to_string(&history)?;
    let last = lines.lines().last().context("a line")?;
    let last: serde_json::Value = serde_json::from_str(last)?;
    assert_eq!(last["outcome"], "updated");
    Ok(())
}

#[test]
fn what_was_known_of_a_release_goes_with_it_when_its_record_cannot_be_written() -> Result<()> {
    let host = Host::alone_and_idle(&Setup::default())?;
    let interceptor = CallInterceptor::new(&host.config(), &host.directory);
    host.start_intercepted(&interceptor)?;
    host.answers()?;
    let release = Tree::healthy("one")?;
    let record: CallFilter = Box::new(|call| {
        call.name.starts_with("rename") && call.path.ends_with(protocol::RELEASE_RECORD)
    });
    interceptor.arm(vec![(record, Fault::Error(Errno::EIO))]);
    assert_eq!(host.push(&release)?.problem()?.code, Code::Internal);
    interceptor.disarm();
    let facts = ReleaseStates::read(&host.state().join("releases.json"))?;
    assert_eq!(facts.get(&release.digest), None);
    host.push(&release)?.result()?;
    host.runs(&release.digest)
}
