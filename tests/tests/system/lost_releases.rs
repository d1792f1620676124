//! An install directory whose disk is not there: what was installed is not gone, and nothing is installed below
//! the mount.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Host, LONG, Tree, eventually, host};
use protocol::{Code, Outcome};

/// What was installed, away from where it was.
fn unmount(host: &Host) -> Result<()> {
    fs::rename(host.install(), host.directory.join("disk"))?;
    Ok(fs::create_dir(host.install())?)
}

fn mount(host: &Host) -> Result<()> {
    fs::remove_dir(host.install()).context("something was put below the mount")?;
    Ok(fs::rename(host.directory.join("disk"), host.install())?)
}

#[test]
fn a_host_whose_disk_is_not_there_is_no_new_host() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    host.stop()?;
    unmount(&host)?;
    host.start()?;
    let told = format!("by its history {} is active here, and ", good.short());
    let app = host.app()?;
    let reason = app.reason.context("it is not well")?;
    ensure!(!app.healthy && reason.starts_with(&told), "{reason}");
    let next = Tree::healthy("next")?;
    for problem in [host.push(&next)?.problem()?, host.stage(&next)?.problem()?] {
        assert_eq!(problem.code, Code::NotSupported, "{problem:?}");
        ensure!(problem.detail.starts_with(&told), "{problem:?}");
    }
    let checked = host.local(&["check", "--running"])?;
    ensure!(checked.code == 1 && format!("{checked:?}").contains(&told), "{checked:?}");
    host.stop()?;
    mount(&host)?;
    host.start()?;
    host.runs(&good)?;
    host.push(&next)?.result()?;
    host.keeps(&next.digest, Some(&good))
}

#[test]
fn what_was_under_way_waits_for_its_disk() -> Result<()> {
    let host = host()?;
    let good = host.installs("good")?;
    let next = Tree::healthy("next")?;
    drop(host.order_until_watched(&next)?);
    host.kill()?;
    host.sleep_through_watch()?;
    unmount(&host)?;
    host.start()?;
    eventually("the warning", LONG, || {
        let warnings = host.app().ok()?.warnings;
        warnings.iter().any(|text| text.contains("its disk may not be mounted")).then_some(())
    })?;
    mount(&host)?;
    eventually("its end", LONG, || {
        let last = host.idle().ok()?.last?;
        (last.outcome == Outcome::Updated && last.to == Some(next.digest)).then_some(())
    })?;
    host.keeps(&next.digest, Some(&good))
}
