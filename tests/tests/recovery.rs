//! The updater is killed wherever it may be, and the next one finishes the work.

use std::fs;

use anyhow::{Context as _, Result};
use fleet_tests::{Behaviour, Host, LONG, Place, Setup, Tree, eventually};
use protocol::{Code, Digest, Outcome, Phase};

/// The checkpoints of an update before its switch, in the order in which they are reached.
const BEFORE_THE_SWITCH: [&str; 6] = [
    "journal_written",
    "received",
    "moved_to_store",
    "made_durable",
    "record_written",
    "new_link_made",
];

/// Those at the switch and until the new release is proven.
const TO_THE_PROOF: [&str; 4] = ["active_flipped", "agent_stopped", "agent_started", "proven"];

/// Those from the proof to the end.
const TO_THE_END: [&str; 6] = [
    "watched",
    "outcome_written",
    "facts_written",
    "prev_set",
    "history_written",
    "journal_removed",
];

/// Those that only a reversal reaches.
const OF_A_REVERSAL: [&str; 6] = [
    "evidence_kept",
    "active_reversed",
    "agent_stopped:2",
    "agent_started:2",
    "facts_written",
    "history_written",
];

/// Those that only a first install reaches.
const OF_A_FIRST_INSTALL: [&str; 4] =
    ["active_flipped", "current_made", "agent_started", "active_removed"];

/// Those of the updater's own update.
const OF_A_SELF_UPDATE: [&str; 3] = ["self_checked", "self_started", "self_flipped"];

#[test]
fn every_checkpoint_has_its_crash() {
    let tested: Vec<&str> = [
        &BEFORE_THE_SWITCH[..],
        &TO_THE_PROOF,
        &TO_THE_END,
        &OF_A_REVERSAL,
        &OF_A_FIRST_INSTALL,
        &OF_A_SELF_UPDATE,
        &["built", "record_removed"],
        // Of a signed release: in signatures.rs.
        &["counter_kept"],
    ]
    .concat();
    for checkpoint in updater::sys::CHECKPOINTS {
        let crashed = tested.iter().any(|name| name.split(':').next() == Some(checkpoint));
        assert!(crashed, "nobody is killed at {checkpoint}");
    }
}

/// A host that runs a release, its updater stopped and started again with a date to die.
fn doomed(place: &Place, checkpoint: &str) -> Result<(Host, Digest)> {
    let host = Host::alone(place, &Setup::default())?;
    let old = Tree::healthy("old")?;
    host.push(&old)?.result()?;
    host.stop()?;
    host.start_crashing(checkpoint)?;
    host.answers()?;
    Ok((host, old.digest))
}

/// What must hold of every host on which nothing is under way.
fn is_whole(host: &Host) -> Result<Digest> {
    host.rests()?;
    let active = host.app()?.active.context("a release is active")?.digest;
    host.runs(&active)?;
    Ok(active)
}

/// Kills the updater at a checkpoint of an update, and looks at what the next one makes of it.
fn killed_at(checkpoint: &str, expected: impl Fn(Digest, Digest) -> Vec<Digest>) -> Result<()> {
    let place = Place::new()?;
    let (host, old) = doomed(&place, checkpoint)?;
    let new = Tree::healthy("new")?;
    assert!(host.push(&new).is_err(), "it was not killed at {checkpoint}");
    host.answers()?;
    let active = is_whole(&host).with_context(|| format!("killed at {checkpoint}"))?;
    let last = host.app()?.last.context("a last transaction")?;
    let expected = expected(old, new.digest);
    assert!(expected.contains(&active), "killed at {checkpoint}: {last:?}");
    assert_eq!(last.to, Some(active), "killed at {checkpoint}");

    // And the next update is as any other.
    let next = Tree::healthy("next")?;
    host.push(&next)?.result().with_context(|| format!("after {checkpoint}"))?;
    assert_eq!(is_whole(&host)?, next.digest);
    assert_eq!(host.rollback()?.result()?.to, Some(active), "killed at {checkpoint}");
    Ok(())
}

#[test]
fn lesson_07_an_updater_killed_before_the_switch_has_touched_nothing() -> Result<()> {
    for checkpoint in BEFORE_THE_SWITCH {
        // With the new link the switch was announced, so that either end is right.
        let announced = checkpoint == "new_link_made";
        killed_at(checkpoint, |old, new| if announced { vec![old, new] } else { vec![old] })?;
    }
    Ok(())
}

#[test]
fn lesson_07_an_updater_killed_in_the_switch_finishes_it() -> Result<()> {
    TO_THE_PROOF.iter().try_for_each(|checkpoint| killed_at(checkpoint, |_, new| vec![new]))
}

#[test]
fn lesson_07_an_updater_killed_after_the_proof_finishes_it() -> Result<()> {
    TO_THE_END.iter().try_for_each(|checkpoint| killed_at(checkpoint, |_, new| vec![new]))
}

#[test]
fn an_updater_killed_anywhere_in_a_reversal_reverses() -> Result<()> {
    for checkpoint in OF_A_REVERSAL {
        let place = Place::new()?;
        let (host, old) = doomed(&place, checkpoint)?;
        let bad = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
        assert!(host.push(&bad).is_err(), "it was not killed at {checkpoint}");
        host.answers()?;
        let active = is_whole(&host).with_context(|| format!("killed at {checkpoint}"))?;
        assert_eq!(active, old, "killed at {checkpoint}");
        let last = host.app()?.last.context("a last transaction")?;
        assert_eq!(last.outcome, Outcome::RolledBack, "killed at {checkpoint}");
        let problem = host.push(&bad)?.problem()?;
        assert_eq!(problem.code, Code::Quarantined, "killed at {checkpoint}");
    }
    Ok(())
}

#[test]
fn an_updater_killed_in_a_bad_first_install_leaves_a_clean_host() -> Result<()> {
    for checkpoint in OF_A_FIRST_INSTALL {
        let place = Place::new()?;
        let host = Host::alone_and_idle(&place, &Setup::default())?;
        host.start_crashing(checkpoint)?;
        host.answers()?;
        let bad = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
        assert!(host.push(&bad).is_err(), "it was not killed at {checkpoint}");
        host.answers()?;
        let app = host.idle()?;
        assert_eq!((app.active, app.healthy), (None, true), "killed at {checkpoint}");
        for link in ["current", "releases/active", "releases/active.new"] {
            let left = host.install().join(link).symlink_metadata();
            assert!(left.is_err(), "{link} is left, killed at {checkpoint}");
        }
        assert_eq!(host.running(), None, "killed at {checkpoint}");
        let good = Tree::healthy("good")?;
        host.push(&good)?.result()?;
        assert_eq!(is_whole(&host)?, good.digest);
    }
    Ok(())
}

#[test]
fn a_release_that_was_half_removed_is_litter_and_no_release() -> Result<()> {
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default().app("keep", "2"))?;
    host.installs("one")?;
    host.installs("two")?;
    host.kill()?;
    host.start_crashing("record_removed")?;
    host.answers()?;
    let third = Tree::healthy("three")?;
    assert!(host.push(&third).is_err(), "it was not killed");
    host.answers()?;
    assert_eq!(is_whole(&host)?, third.digest);
    assert_eq!(host.store().len(), 2);
    Ok(())
}

#[test]
fn an_updater_killed_in_a_build_sweeps_it_away() -> Result<()> {
    let place = Place::new()?;
    let setup = Setup::default().app("build", "['sh', '-c', 'echo built > built']");
    let host = Host::alone_and_idle(&place, &setup)?;
    host.start_crashing("built")?;
    host.answers()?;
    let release = Tree::healthy("one")?;
    assert!(host.push(&release).is_err(), "it was not killed");
    host.answers()?;
    let app = host.idle()?;
    assert_eq!(app.last.context("a last transaction")?.outcome, Outcome::Interrupted);
    assert!(host.store().is_empty() && host.incoming().is_empty());
    host.push(&release)?.result()?;
    assert_eq!(is_whole(&host)?, release.digest);
    Ok(())
}

#[test]
fn a_watch_survives_the_updaters_restart() -> Result<()> {
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default().health("watch", "'2s'"))?;
    let release = Tree::healthy("one")?;
    let mut lines =
        host.order("/update", &release).header("accept", "application/x-ndjson").lines()?;
    lines.until("\"watching\"")?;
    host.kill()?;
    host.start()?;
    assert_ne!(host.app()?.state, Phase::Idle, "the watch was forgotten");
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    Ok(())
}

#[test]
fn lesson_19_an_agent_outlives_its_updater_and_is_found_again() -> Result<()> {
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default())?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let pid = host.app()?.pid;
    for end in [Host::kill, Host::stop] {
        end(&host)?;
        assert_eq!(host.running(), Some(release.digest));
        host.start()?;
        let found = eventually("the agent to be found", LONG, || {
            host.app().ok().filter(|app| app.agent == "running")
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
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default())?;
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
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default())?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let record = host.install().join("releases/store").join(release.digest.hex());
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
    let place = Place::new()?;
    let host = Host::alone(&place, &Setup::default())?;
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
fn an_updater_killed_in_its_own_update_is_followed_by_one_that_works() -> Result<()> {
    for checkpoint in OF_A_SELF_UPDATE {
        let place = Place::new()?;
        let (host, service) = doomed(&place, checkpoint)?;
        let before = host.health()?.digest;
        let next = Tree::empty()?;
        fs::create_dir(next.path().join("bin"))?;
        fs::copy(fleet_tests::program("updater")?, next.path().join("bin/updater"))?;
        let next = next.pack(fleet_tests::Packing::Zstd)?;
        let _ = host.order("/update-self?confirm_self=true", &next).send();
        let ended = eventually("the attempt to end", LONG, || {
            let health = host.health().ok()?;
            let history = host.directory.join("state/apps/updater/history.jsonl");
            fs::read_to_string(history).ok().filter(|text| !text.is_empty()).map(|_| health)
        })
        .with_context(|| format!("killed at {checkpoint}: {}", host.log()))?;
        assert!([before, next.digest].contains(&ended.digest), "killed at {checkpoint}");
        host.runs(&service)?;
        let release = Tree::healthy("after")?;
        eventually("orders to be taken again", LONG, || host.push(&release).ok()?.result().ok())
            .with_context(|| format!("after {checkpoint}"))?;
        assert_eq!(is_whole(&host)?, release.digest);
        // What is started the next time is a whole updater.
        host.kill()?;
        host.start()?;
        assert!([before, next.digest].contains(&host.health()?.digest));
    }
    Ok(())
}
