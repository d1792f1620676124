//! Clocks that jump, and machines that sleep: a watch is as long as it is, and sees what it is for.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use fleet_tests::{Fleet, Host, Output, Release, Setup, Tree, host, with_more_and_more_time};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::{Event, EventKind, Outcome, Phase, Status};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A host in the watch of its second release, whose updater is down.
fn in_the_watch() -> Result<(Host, Release)> {
    let host = host()?;
    host.installs("one")?;
    let release = Tree::healthy("two")?;
    drop(host.order_until_watched(&release)?);
    host.kill()?;
    Ok((host, release))
}

#[test]
fn a_clock_that_jumps_a_year_changes_no_watch() -> Result<()> {
    for year in [Duration::days(365), Duration::days(-365)] {
        let (host, release) = in_the_watch()?;
        host.change_journal(|journal| {
            journal["watch"] = "2s".into();
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
    let (host, release) = in_the_watch()?;
    host.sleep_through_watch()?;
    // It lives, and answers nothing any more.
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
    let (host, release) = in_the_watch()?;
    host.sleep_through_watch()?;
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
fn jumped(by: &str, dies: bool, watch: &str) -> Result<(Status, i32)> {
    let host = Host::alone_and_idle(&Setup::default())?;
    let clock = host.directory.join("clock");
    fs::write(&clock, "+0")?;
    // What deadlines are measured by is left alone, as the kernel leaves it when a clock is set.
    host.start_with(&[
        ("LD_PRELOAD", &faketime()?.to_string_lossy()),
        ("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ])?;
    host.installs("one")?;
    let (path, release) = (format!("/update?watch={watch}"), Tree::healthy("two")?);
    let mut lines = host.order_until(&path, &release, Phase::Watching)?;
    // No certificate lets the master in by a clock of another year: it asks before.
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
        assert_eq!(jumped(by, true, "1h")?, (Status::RolledBack, now + years), "a jump by {by}");
        let (status, year) = with_more_and_more_time(|watch| {
            let (status, year) = jumped(by, false, watch)?;
            // Else the watch was over before the clock jumped.
            Ok((year != now).then_some((status, year)))
        })?;
        assert_eq!((status, year), (Status::Updated, now + years), "a jump by {by}");
    }
    Ok(())
}

/// What a certificate is held against is a clock, and which one that is, is said on both ends.
#[test]
fn a_master_whose_clock_is_wrong_says_that_it_may_be() -> Result<()> {
    let fleet = Fleet::of(1, &Setup::default())?;
    let library = faketime()?;
    let check = |clock: &str| {
        let mut command = fleet.command(["check", "--all"])?;
        Output::of(command.env("LD_PRELOAD", &library).env("FAKETIME", clock))
    };
    let late = check("+400d")?;
    assert_eq!(late.code, 1, "{late:?}");
    assert!(late.stderr.contains("If it is wrong, set the clock"), "{late:?}");
    let early = check("-400d")?;
    assert_eq!(early.code, 1, "{early:?}");
    assert!(early.stderr.contains("set the clock; or, if it is right"), "{early:?}");
    for checked in [&late, &early] {
        assert!(checked.stdout.contains("by this machine's clock"), "{checked:?}");
    }
    fleet.swarm(["check", "--all"])?;
    Ok(())
}
