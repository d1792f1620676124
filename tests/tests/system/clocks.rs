//! Clocks that jump, and machines that sleep: a watch is as long as it is, and sees what it is for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use fleet_tests::{Host, Release, Sandbox, Setup, Tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Event, EventKind, Outcome, Status, header};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A host in the watch of its second release, whose updater is down.
fn in_the_watch(place: &Sandbox, watch: &str) -> Result<(Host, Release)> {
    let host = Host::alone(place, &Setup::default().health("timeout", "'500ms'"))?;
    host.installs("one")?;
    let release = Tree::healthy("two")?;
    let path = format!("/update?watch={watch}");
    let call = host.order(&path, &release).header("accept", header::NDJSON);
    call.lines()?.until("\"watching\"")?;
    host.kill()?;
    Ok((host, release))
}

/// Changes the journal as time would have, had it passed otherwise.
fn change(host: &Host, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
    let path = host.state().join("journal.json");
    let mut journal = serde_json::from_slice(&fs::read(&path)?)?;
    change(&mut journal)?;
    Ok(fs::write(path, journal.to_string())?)
}

/// The machine slept since the watch began, for longer than it lasts.
fn sleep_through(host: &Host) -> Result<()> {
    change(host, |journal| {
        journal["since_boot"]["millis"] = 0.into();
        journal["watch"] = "1s".into();
        Ok(())
    })
}

#[test]
fn a_clock_that_jumps_a_year_changes_no_watch() -> Result<()> {
    for year in [Duration::days(365), Duration::days(-365)] {
        let place = Sandbox::new()?;
        let (host, release) = in_the_watch(&place, "2s")?;
        change(&host, |journal| {
            for key in ["since", "started_at"] {
                let text = journal[key].as_str().context("a time")?;
                let moved = OffsetDateTime::parse(text, &Rfc3339)? + year;
                journal[key] = moved.format(&Rfc3339)?.into();
            }
            Ok(())
        })?;
        host.start()?;
        let last = host.idle()?.last.context("a last transaction")?;
        assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
        host.rests()?;
    }
    Ok(())
}

#[test]
fn a_watch_that_the_machine_slept_through_is_not_over_before_it_has_looked() -> Result<()> {
    let place = Sandbox::new()?;
    let (host, release) = in_the_watch(&place, "1h")?;
    sleep_through(&host)?;
    // It lives, and answers nobody any more.
    for pid in fleet_tests::processes_of(&host.install()) {
        kill(Pid::from_raw(pid.as_raw()), Signal::SIGSTOP)?;
    }
    host.start()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!(last.outcome, Outcome::RolledBack);
    assert_ne!(last.to, Some(release.digest));
    host.rests()
}

#[test]
fn a_watch_that_the_machine_slept_through_ends_when_it_has_looked() -> Result<()> {
    let place = Sandbox::new()?;
    let (host, release) = in_the_watch(&place, "1h")?;
    sleep_through(&host)?;
    host.start()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    host.rests()
}

/// The library that stands between a program and its wall clock.
fn faketime() -> Result<PathBuf> {
    let places = fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
    found.find(|library| library.is_file()).context("install faketime: tests/tools.sh does")
}

/// How a watch ends in whose middle the wall clock of the running updater jumps, and in which year it
/// then is for it. Where the agent `dies`, it does so after the jump.
fn jumped(by: &str, dies: bool) -> Result<(Status, i32)> {
    let place = Sandbox::new()?;
    let clock = place.path().join("clock");
    fs::write(&clock, "+0")?;
    let host = Host::alone_and_idle(&place, &Setup::default())?;
    // What deadlines are measured by is left alone, as the kernel leaves it when a clock is set.
    host.start_with(&[
        ("LD_PRELOAD", &faketime()?.to_string_lossy()),
        ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ])?;
    host.installs("one")?;
    let order = host.order("/update?watch=2s", &Tree::healthy("two")?);
    let mut lines = order.header("accept", header::NDJSON).lines()?;
    lines.until("\"watching\"")?;
    // Nobody is let in by a clock of another year.
    let agent = host.app()?.pid.context("the agent runs")?;
    fs::write(&clock, by)?;
    if dies {
        kill(Pid::from_raw(agent.cast_signed()), Signal::SIGKILL)?;
    }
    let last: Event = serde_json::from_str(&lines.until("\"type\":\"result\"")?)?;
    let EventKind::Result(result) = last.kind else { anyhow::bail!("it is no result") };
    // Certificates are looked at by the same clock.
    fs::write(&clock, "+0")?;
    host.rests()?;
    Ok((result.status, last.time.year()))
}

#[test]
fn a_running_updaters_clock_that_jumps_a_year_ends_no_watch_and_blinds_none() -> Result<()> {
    let now = OffsetDateTime::now_utc().year();
    for (by, years) in [("+365d", 1), ("-365d", -1)] {
        assert_eq!(jumped(by, false)?, (Status::Updated, now + years), "a jump by {by}");
        assert_eq!(jumped(by, true)?, (Status::RolledBack, now + years), "a jump by {by}");
    }
    Ok(())
}
