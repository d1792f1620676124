//! Bad releases: each is undone, and what was there before is there again.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Host, Setup, Tree, host, with_more_and_more_time, wording};
use insta::assert_snapshot;
use protocol::{Code, Phase, ReleaseState, Status};

#[test]
fn a_release_that_crashes_is_undone_and_its_last_words_are_told() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let bad = Behaviour { crash: Some("no such table: users".into()), ..Behaviour::default() };
    let bad = Tree::release(&bad)?;
    let problem = host.undoes(&bad)?;
    assert!(problem.output.iter().any(|line| line.contains("no such table")), "{problem:?}");
    let (from, to, target) = (problem.from, problem.to, problem.target);
    assert_eq!((from, to, target), (Some(good), Some(good), Some(bad.digest)));
    host.keeps(&good, None)
}

/// What is left by a rollback is where the next one goes: forward again.
#[test]
fn a_second_rollback_comes_back_to_the_release_that_was_left() -> Result<()> {
    let host = host()?;
    let (one, two) = (host.installs("one")?, host.installs("two")?);
    for (from, to) in [(two, one), (one, two)] {
        let back = host.rollback()?.result()?;
        assert_eq!((back.status, back.from, back.to), (Status::RolledBack, Some(from), Some(to)));
        host.keeps(&to, Some(&from))?;
    }
    // One that failed is not gone back to, however it was left.
    let bad = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
    host.undoes(&bad)?;
    assert_eq!(host.rollback()?.result()?.to, Some(one));
    Ok(())
}

#[test]
fn a_release_that_answers_500_is_undone() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let bad = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
    let problem = host.undoes(&bad)?;
    let said = wording(&problem.detail);
    assert!(
        said.starts_with("http://ADDRESS/health answered 500 Internal Server Error: {"),
        "{said}"
    );
    host.keeps(&good, None)
}

#[test]
fn a_release_that_says_nothing_of_itself_is_undone() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    host.undoes(&Tree::release(&Behaviour { silent: true, ..Behaviour::default() })?)?;
    host.keeps(&good, None)
}

#[test]
fn lesson_01_a_bad_first_install_leaves_a_clean_host() -> Result<()> {
    let host = host()?;
    let bad = Tree::release(&Behaviour { crash: Some("no".into()), ..Behaviour::default() })?;
    let problem = host.undoes(&bad)?;
    assert_eq!((problem.from, problem.to), (None, None));
    assert!(problem.detail.contains("nothing runs"), "{problem:?}");
    for link in ["current", "releases/active", "releases/active.new", "releases/prev"] {
        assert!(host.install().join(link).symlink_metadata().is_err(), "{link} is left");
    }
    let app = host.app()?;
    assert_eq!((app.active, app.healthy), (None, false));
    assert!(app.reason.is_some_and(|reason| reason.starts_with("nothing runs")));
    assert_eq!(host.running(), None);
    assert_eq!(host.releases()?.releases[0].state, ReleaseState::Failed);

    let good = host.installs("good")?;
    host.keeps(&good, None)
}

#[test]
fn lesson_02_no_rollback_goes_to_a_release_that_failed() -> Result<()> {
    let host = host()?;
    let first = host.installs("one")?;
    let second = host.installs("two")?;
    let bad = Tree::release(&Behaviour { status: Some(503), ..Behaviour::default() })?;
    host.undoes(&bad)?;
    assert_eq!(host.rollback()?.result()?.to, Some(first));
    host.keeps(&first, Some(&second))?;
    // The one that was left is where a second rollback goes.
    assert_eq!(host.rollback()?.result()?.to, Some(second));
    host.keeps(&second, Some(&first))
}

#[test]
fn lesson_03_prev_survives_an_update_that_fails() -> Result<()> {
    let host = host()?;
    let first = host.installs("a")?;
    let second = host.installs("b")?;
    host.undoes(&Tree::release(&Behaviour { crash: Some("c".into()), ..Behaviour::default() })?)?;
    host.keeps(&second, Some(&first))
}

#[test]
fn lesson_05_a_command_that_cannot_be_started_is_refused_before_the_switch() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let tree = Tree::agent(&Behaviour::default())?;
    tree.program("bin/agent", "#!/no/such/interpreter\n")?;
    let problem = host.push(&tree.pack(fleet_tests::Packing::Zstd)?)?.problem()?;
    // The host lacks the interpreter: the release is not to blame.
    assert_eq!((&problem.code, problem.rolled_back), (&Code::Internal, Some(false)));
    ensure!(problem.detail.contains("/no/such/interpreter is not there"), "{problem:?}");
    host.keeps(&good, None)
}

#[test]
fn lesson_09_an_old_process_that_keeps_the_port_proves_nothing() -> Result<()> {
    let host = host()?;
    let clinging =
        Behaviour { leaves_a_child: true, message: "old".into(), ..Behaviour::default() };
    let old = Tree::release(&clinging)?;
    assert_eq!(host.push(&old)?.result()?.status, Status::Updated);

    let new = Tree::healthy("new")?;
    let answer = host.push(&new)?;
    // Where the old release can be stopped as a whole, the new one runs. Where it cannot, what the
    // old process answers is not taken for the new one's health.
    if answer.status == 200 {
        return host.keeps(&new.digest, Some(&old.digest));
    }
    assert_eq!(answer.problem()?.code, Code::RolledBack);
    host.keeps(&old.digest, None)
}

#[test]
fn lesson_10_a_release_that_dies_in_the_watch_is_undone() -> Result<()> {
    let host = Host::alone(&Setup::default().health("watch", "'1h'"))?;
    let good = Tree::healthy("good")?;
    let first = Tree::release(&Behaviour { dies_after: Some(3), ..Behaviour::default() })?;
    let problem = host.undoes(&first)?;
    assert_snapshot!(wording(&problem.detail), @"the agent was killed by SIGKILL during the watch; nothing was here before, so nothing runs");
    assert!(host.running().is_none());
    host.order_until_watched(&good)?;
    assert_eq!(host.running(), Some(good.digest));
    Ok(())
}

#[test]
fn a_release_that_fails_in_the_watch_is_undone() -> Result<()> {
    let setup = Setup::default().health("watch", "'1h'").health("interval", "'50ms'");
    let host = Host::alone(&setup)?;
    let bad = Tree::release(&Behaviour { fails_after: Some(2), ..Behaviour::default() })?;
    let problem = host.undoes(&bad)?;
    let said = wording(&problem.detail);
    let begins = "2 failures in a row during the watch, the last: http://ADDRESS/health answered 500 Internal Server Error: {";
    assert!(said.starts_with(begins), "{said}");
    assert!(said.ends_with("; nothing was here before, so nothing runs"), "{said}");
    Ok(())
}

#[test]
fn lesson_23_one_failed_answer_is_not_a_failure() -> Result<()> {
    // More failures in a row are asked for than the watch has time for.
    let setup = Setup::default().health("watch_failures", "10000");
    let host = Host::alone(&setup)?;
    let mut number = 0;
    let shaky = with_more_and_more_time(|watch| {
        number += 1;
        let (message, fails_after) = (format!("shaky {number}"), Some(1));
        let shaky = Tree::release(&Behaviour { message, fails_after, ..Behaviour::default() })?;
        let order = host.order(&format!("/update?watch={watch}"), &shaky);
        let answer = order.header("accept", protocol::header::NDJSON).send()?;
        assert_eq!(answer.result()?.status, Status::Updated);
        // Else the watch was over before the agent was asked again.
        Ok(answer.text().contains("\"passed\":false").then_some(shaky))
    })?;
    // Once the watch is over nothing is rolled back any more.
    assert_eq!(host.app()?.state, Phase::Idle);
    assert_eq!(host.running(), Some(shaky.digest));
    Ok(())
}

#[test]
fn lesson_27_what_a_rollback_needs_survives_a_failed_update() -> Result<()> {
    let host = Host::alone(&Setup::default().app("keep", "2"))?;
    let first = host.installs("one")?;
    let second = host.installs("two")?;
    for number in 0..3 {
        let crash = Some(format!("bad {number}"));
        host.undoes(&Tree::release(&Behaviour { crash, ..Behaviour::default() })?)?;
    }
    assert!(host.store().contains(&first.hex()), "{:?}", host.store());
    assert_eq!(host.rollback()?.result()?.to, Some(first));
    host.keeps(&first, Some(&second))
}

#[test]
fn a_way_back_that_fails_stays_open() -> Result<()> {
    let host = Host::alone(&Setup::default().app("links", "['data/']").app("keep", "2"))?;
    let older = Tree::saying("older")?;
    fs::rename(older.path().join("bin/agent"), older.path().join("bin/real"))?;
    older.program(
        "bin/agent",
        "#!/bin/sh\n[ ! -e data/newer ] || { echo 'data of a newer format'; exit 5; }\nexec bin/real\n",
    )?;
    let older = older.pack(fleet_tests::Packing::Zstd)?;
    assert_eq!(host.push(&older)?.result()?.status, Status::Updated);
    let newer = host.installs("newer")?;
    let unreadable = host.install().join("shared/data/newer");
    fs::write(&unreadable, "")?;

    // By an order to go back, and by an update to it.
    assert_eq!(host.rollback()?.problem()?.code, Code::RolledBack);
    host.keeps(&newer, Some(&older.digest))?;
    host.undoes(&older)?;
    let older = older.digest;
    host.keeps(&newer, Some(&older))?;
    // Nor is it one of the failed ones, of which the oldest go.
    for number in 0..3 {
        let crash = Some(format!("bad {number}"));
        host.undoes(&Tree::release(&Behaviour { crash, ..Behaviour::default() })?)?;
    }
    let known = host.releases()?.releases.into_iter().find(|release| release.digest == older);
    let known = known.context("it is kept")?;
    assert_eq!((known.state, known.quarantined), (ReleaseState::Proven, false));
    ensure!(known.failure.is_some_and(|why| why.contains("status 5")), "why is not kept");
    fs::remove_file(unreadable)?;
    assert_eq!(host.rollback()?.result()?.to, Some(older));
    host.keeps(&older, Some(&newer))?;
    host.stop()?;
    host.holds()
}

#[test]
fn a_failed_release_is_quarantined_until_it_is_asked_for_again() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let bad = Tree::release(&Behaviour { crash: Some("bad".into()), ..Behaviour::default() })?;
    host.undoes(&bad)?;
    let problem = host.push(&bad)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (409, &Code::Quarantined));
    host.keeps(&good, None)?;
    // Asked for expressly, it is tried, and fails again.
    let again = host.order("/update?retry_quarantined=true", &bad).send()?.problem()?;
    assert_eq!(again.code, Code::RolledBack);
    host.keeps(&good, None)
}

#[test]
fn a_failure_leaves_evidence() -> Result<()> {
    let host = host()?;
    host.installs("good")?;
    let bad = Behaviour { crash: Some("the reason of it all".into()), ..Behaviour::default() };
    let problem = host.undoes(&Tree::release(&bad)?)?;
    let transaction = problem.transaction.expect("a transaction");
    assert!(host.state().join("evidence").join(transaction.as_str()).is_dir());
    let evidence = host.master().get(&format!("/evidence/{transaction}"))?;
    assert_eq!(evidence.status, 200, "{evidence:?}");
    assert!(evidence.text().contains("the reason of it all"), "{evidence:?}");
    let unknown = host.master().get("/evidence/0190a5c2-6f00-7000-8000-000000000000")?;
    assert_eq!(unknown.problem()?.code, Code::UnknownTransaction);
    Ok(())
}
