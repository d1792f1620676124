//! `DELETE /update`: what is under way is abandoned before its switch, and undone after it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{
    Answer, Behaviour, Host, LONG, Lines, Output, Packing, Setup, Tree, eventually, host,
    processes_of, program,
};
use protocol::{
    AgentState, CallerKind, Code, HostHistory, HostHistoryEntry, OperationKind, Outcome, Phase,
    Status, TransactionResult, header,
};
use reqwest::Method;

fn stop(host: &Host) -> Result<Answer> {
    host.master().call(Method::DELETE, "/update").send()
}

/// Asks it to stop, and looks whether both callers are told the same.
fn stops(host: &Host, mut lines: Lines, status: Status) -> Result<TransactionResult> {
    let answer = stop(host)?;
    ensure!(answer.status == 200, "{answer:?}");
    let result = answer.result()?;
    ensure!(result.status == status && result.code == Some(Code::Interrupted), "{result:?}");
    let told = lines.until("\"result\"")?;
    ensure!(told.contains("\"interrupted\""), "{told}");
    let last = host.idle()?.last.context("a last transaction")?;
    ensure!(last.code == Some(Code::Interrupted), "{last:?}");
    ensure!(
        last.detail.as_ref().is_some_and(|detail| detail.contains("asked to stop")),
        "{last:?}"
    );
    Ok(result)
}

#[test]
fn where_nothing_is_under_way_that_is_said() -> Result<()> {
    let host = host()?;
    host.installs("one")?;
    let problem = stop(&host)?.problem()?;
    assert_eq!((problem.code.status(), &problem.code), (404, &Code::UnknownTransaction));
    let other = host.master().call(Method::DELETE, "/update?app=web").send()?.problem()?;
    assert_eq!(other.code, Code::UnknownApp);
    host.rests()
}

#[test]
fn a_build_that_is_asked_to_stop_is_ended_with_all_that_it_started() -> Result<()> {
    let setup = Setup::default().app("build", "'auto'");
    let host = Host::alone(&setup)?;
    let tree = Tree::agent(&Behaviour::default())?;
    tree.file("release.toml", "[build]\ncommand = ['sh', '-c', 'sleep 1000 & sleep 1000']\n")?;
    let slow = tree.pack(Packing::Zstd)?;
    let lines = host.order_until("/update", &slow, Phase::Building)?;
    stops(&host, lines, Status::Interrupted)?;
    assert!(host.store().is_empty() && host.incoming().is_empty());
    assert_eq!(processes_of(&host.install()), []);
    // The same release may come again.
    assert_eq!(host.history().len(), 1);
    host.rests()
}

#[test]
fn an_archive_that_does_not_come_to_its_end_is_not_waited_for() -> Result<()> {
    let host = host()?;
    let release = Tree::healthy("one")?;
    // So much fits into the pipe, and nobody sends the rest.
    let (sender, receiver) = tokio::io::duplex(64 << 10);
    let body = tokio_util::io::ReaderStream::new(receiver);
    let call = host
        .master()
        .post("/update")
        .header("content-type", release.media_type())
        .header(header::CONTENT_DIGEST, &release.content_digest())
        .body(reqwest::Body::wrap_stream(body));
    let sending = std::thread::spawn(move || call.send());
    eventually("the archive to come", LONG, || {
        host.app().ok().filter(|app| app.state == Phase::Receiving)
    })?;
    let result = stop(&host)?.result()?;
    assert_eq!((result.status, result.code), (Status::Interrupted, Some(Code::Interrupted)));
    drop(sender);
    let _ = sending.join();
    assert!(host.store().is_empty() && host.incoming().is_empty());
    host.rests()
}

#[test]
fn what_is_stopped_in_its_probe_or_its_watch_is_undone_and_not_quarantined() -> Result<()> {
    let host = Host::alone(&Setup::default().health("attempts", "1000"))?;
    let good = host.installs("good")?;
    let sick = Tree::release(&Behaviour { status: Some(500), ..Behaviour::default() })?;
    let lines = host.order_until("/update", &sick, Phase::Probing)?;
    stops(&host, lines, Status::RolledBack)?;
    host.keeps(&good, None)?;
    host.rests()?;

    let next = Tree::healthy("next")?;
    let lines = host.order_until_watched(&next)?;
    let result = stops(&host, lines, Status::RolledBack)?;
    assert_eq!(result.to, Some(good));
    host.keeps(&good, None)?;
    host.rests()?;
    // It says nothing about the release.
    assert_eq!(host.push(&next)?.result()?.status, Status::Updated);
    host.keeps(&next.digest, Some(&good))
}

#[test]
fn what_waits_for_its_master_is_undone() -> Result<()> {
    let host = Host::alone(&Setup::default().app("confirm_window", "'1h'"))?;
    let good = host.installs("good")?;
    let next = Tree::healthy("next")?;
    drop(host.order_until("/update?confirm=true", &next, Phase::Confirming)?);
    assert_eq!(stop(&host)?.result()?.status, Status::RolledBack);
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn a_first_install_that_is_stopped_in_its_watch_leaves_a_clean_host() -> Result<()> {
    let host = host()?;
    let lines = host.order_until_watched(&Tree::healthy("one")?)?;
    assert_eq!(stops(&host, lines, Status::RolledBack)?.to, None);
    assert_eq!((host.current(), host.running()), (None, None));
    host.rests()
}

#[test]
fn a_handover_that_is_stopped_before_its_switch_never_touched_the_old_agent() -> Result<()> {
    let host = Host::alone(&Setup::default().handover())?;
    let good = host.installs("good")?;
    let old = host.app()?.pid;
    let slow = Tree::release(&Behaviour { never_ready: true, ..Behaviour::default() })?;
    let lines = host.order_until("/update", &slow, Phase::Starting)?;
    stops(&host, lines, Status::Interrupted)?;
    assert_eq!(host.app()?.pid, old);
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn lesson_24_a_handover_that_is_stopped_in_its_watch_is_handed_back() -> Result<()> {
    let host = Host::alone(&Setup::default().handover())?;
    let good = host.installs("good")?;
    let lines = host.order_until_watched(&Tree::healthy("new")?)?;
    stops(&host, lines, Status::RolledBack)?;
    host.keeps(&good, None)?;
    host.rests()
}

#[test]
fn a_watch_that_another_updater_began_can_be_stopped_too() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    drop(host.order_until_watched(&Tree::healthy("new")?)?);
    host.kill()?;
    host.start()?;
    assert_eq!(stop(&host)?.result()?.status, Status::RolledBack);
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::RolledBack, Some(good)));
    host.keeps(&good, None)?;
    host.rests()
}

/// Says that it runs, and goes on until it may end.
const WAITS: &str = "#!/bin/sh\necho $1 >> data/log\n\
    [ $1 = down ] || while [ ! -e data/go ]; do sleep 0.1; done\n";

#[test]
fn a_hook_and_a_migration_come_to_their_end_before_what_is_stopped_is_undone() -> Result<()> {
    let hook = "[hooks]\nbefore_switch = 'bin/note hook'\n";
    let migration = "[migrations]\nup = 'bin/note up'\ndown = 'bin/note down'\n";
    let cases =
        [(hook, Status::Interrupted, "hook\n"), (migration, Status::RolledBack, "up\ndown\n")];
    for (toml, status, noted) in cases {
        let host = Host::alone(&Setup::default().app("links", "['data/']"))?;
        let good = host.installs("good")?;
        let tree = Tree::agent(&Behaviour::default())?;
        tree.file("release.toml", toml)?;
        tree.program("bin/note", WAITS)?;
        let data = host.install().join("shared/data");
        let log = || std::fs::read_to_string(data.join("log")).unwrap_or_default();
        let lines = host.order_until("/update", &tree.pack(Packing::Zstd)?, Phase::Staged)?;
        eventually("the command to run", LONG, || (!log().is_empty()).then_some(()))?;
        std::thread::scope(|scope| {
            let stopped = scope.spawn(|| stops(&host, lines, status));
            eventually("the updater to be asked", LONG, || {
                host.log().contains("asked this update to stop").then_some(())
            })?;
            std::fs::write(data.join("go"), "")?;
            stopped.join().ok().context("it does not panic")?.map(drop)
        })?;
        assert_eq!(log(), noted);
        host.keeps(&good, None)?;
        host.rests()?;
    }
    Ok(())
}

/// What a person types on the host.
fn updater(host: &Host, command: &str) -> Result<Output> {
    let mut updater = Command::new(program("updater")?);
    Output::of(updater.arg(command).arg("--config").arg(host.config()))
}

#[test]
fn a_rollback_ends_a_watch_at_once_and_takes_the_release_back() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let next = Tree::healthy("next")?;
    let mut lines = host.order_until_watched(&next)?;
    let back = host.rollback()?.result()?;
    assert_eq!((back.status, &back.code, back.to), (Status::RolledBack, &None, Some(good)));
    assert_eq!(back.target, Some(next.digest));
    let told = lines.until("\"result\"")?;
    ensure!(told.contains("\"interrupted\""), "{told}");
    host.keeps(&good, None)?;

    // Said by name, as events.
    drop(host.order_until_watched(&next)?);
    let order = serde_json::json!({ "digest": good });
    let back = host.master().post("/rollback").header("accept", header::NDJSON).json(&order);
    let events = back.send()?.events()?;
    let last = serde_json::to_value(events.last().context("a result")?)?;
    ensure!(last["status"] == "rolled_back" && last["problem"].is_null(), "{last}");
    host.keeps(&good, None)?;

    drop(host.order_until_watched(&next)?);
    updater(&host, "rollback")?.good()?;
    host.keeps(&good, None)?;
    let history: HostHistory = host.master().get("/history")?.json()?;
    let by_hand = history.entries.iter().find_map(|entry| match entry {
        HostHistoryEntry::Operation(by_hand) => Some(by_hand),
        HostHistoryEntry::Transaction(_) => None,
    });
    let by_hand = by_hand.context("what was typed on the host")?;
    assert_eq!(by_hand.operation, OperationKind::Rollback);
    assert_eq!((by_hand.release, by_hand.caller.clone()), (Some(next.digest), CallerKind::Local));
    host.rests()
}

#[test]
fn an_operator_who_stops_an_agent_in_its_watch_has_it_stopped_at_once() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    drop(host.order_until_watched(&Tree::healthy("next")?)?);
    updater(&host, "stop")?.good()?;
    assert_eq!((host.releases()?.active, host.running()), (Some(good), None));
    assert_eq!(host.app()?.agent, AgentState::Stopped);
    updater(&host, "start")?.good()?;
    host.runs(&good)?;
    host.keeps(&good, None)
}

#[test]
fn a_rollback_to_an_older_release_goes_there_from_the_one_before() -> Result<()> {
    let host = host()?;
    let (old, good) = (host.installs("old")?, host.installs("good")?);
    drop(host.order_until_watched(&Tree::healthy("next")?)?);
    let order = serde_json::json!({ "digest": old });
    let back = host.master().post("/rollback").json(&order).send()?.result()?;
    assert_eq!((back.status, back.to), (Status::RolledBack, Some(old)));
    host.keeps(&old, Some(&good))
}
