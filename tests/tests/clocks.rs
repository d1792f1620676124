//! Clocks that jump, and machines that sleep: a watch is as long as it is, and sees what it is for.

use std::fs;

use anyhow::{Context as _, Result};
use fleet_tests::{Host, Place, Release, Setup, Tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Outcome, header};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A host in the watch of its second release, whose updater is down.
fn in_the_watch(place: &Place, watch: &str) -> Result<(Host, Release)> {
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
        let place = Place::new()?;
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
    let place = Place::new()?;
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
    let place = Place::new()?;
    let (host, release) = in_the_watch(&place, "1h")?;
    sleep_through(&host)?;
    host.start()?;
    let last = host.idle()?.last.context("a last transaction")?;
    assert_eq!((last.outcome, last.to), (Outcome::Updated, Some(release.digest)));
    host.rests()
}
