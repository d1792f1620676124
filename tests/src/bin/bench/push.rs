//! The measurements.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Fleet, Host, Release, Sandbox, Setup, Tree};
use protocol::{Event, EventKind, Phase};

use crate::report::{Report, median};
use crate::workload::Archives;

/// How often everything is done.
pub(crate) struct Bench {
    runs: usize,
}

fn setup() -> Setup {
    Setup::default().health("watch", "'0s'").health("attempts", "100")
}

impl Bench {
    pub(crate) fn new(runs: usize) -> Self {
        Self { runs }
    }

    /// One host, both compressions, by `swarm update`, against tar and a sync.
    pub(crate) fn large(&self, large: &Archives, report: &mut Report) -> Result<()> {
        let kinds = [
            ("gzip", &large.gzip, "tar -xzf + sync -f", 0.9),
            ("zstd", &large.zstd, "tar --zstd -xf + sync -f", 1.1),
        ];
        for (kind, archive, peer, bar) in kinds {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..self.runs {
                theirs.push(unpack(archive, 1)?);
                ours.push(update(archive, 1)?);
            }
            let what = format!("LARGE to 1 host, proven ({kind})");
            report.against(&what, median(ours), (peer, median(theirs)), bar);
        }
        Ok(())
    }

    /// Eight hosts on this machine.
    pub(crate) fn eight(&self, large: &Archives, report: &mut Report) -> Result<()> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            theirs.push(unpack(&large.gzip, 8)?);
            ours.push(update(&large.gzip, 8)?);
        }
        let peer = ("8 x tar -xzf + sync -f", median(theirs));
        report.against("LARGE to 8 hosts, proven (gzip)", median(ours), peer, 0.8);
        Ok(())
    }

    /// From the first byte of an order to the proof, as the host sees it.
    pub(crate) fn small(&self, small: &Archives, report: &mut Report) -> Result<()> {
        let release = Release::of_bytes(fs::read(&small.zstd)?, fleet_tests::Packing::Zstd);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..self.runs {
            let host = Host::alone(&setup())?;
            theirs.push(unpack(&small.zstd, 1)?);
            nix::unistd::sync();
            let started = Instant::now();
            let answer = host.push(&release)?;
            ours.push(started.elapsed().as_secs_f64());
            answer.result()?;
        }
        let peer = ("tar --zstd -xf + sync -f", median(theirs));
        report.beside("SMALL, first byte to proven", median(ours), peer, 0.13);
        Ok(())
    }

    /// A release that ends at once: until the old one is proven again.
    pub(crate) fn crash(&self, report: &mut Report) -> Result<()> {
        let host = Host::alone(&setup())?;
        host.push(&Tree::healthy("good")?)?.result()?;
        let (mut whole, mut back) = (Vec::new(), Vec::new());
        for number in 0..self.runs {
            let crash = Some(format!("crash {number}"));
            let bad = Tree::release(&Behaviour { crash, ..Behaviour::default() })?;
            let started = Instant::now();
            let order = host.order("/update", &bad).header("accept", protocol::header::NDJSON);
            let events = order.send()?.events()?;
            whole.push(started.elapsed().as_secs_f64());
            back.push(reversal(&events)?);
        }
        report.at_most("crash at once, push to old one proven", median(whole), "s", 1.0);
        report.at_most("the same, verdict to old one proven", median(back), "s", 0.25);
        Ok(())
    }

    /// The worst answer of `/health`, each on a new connection, while a large release comes in.
    pub(crate) fn health(&self, large: &Archives, report: &mut Report) -> Result<()> {
        let release = Release::of_bytes(fs::read(&large.zstd)?, fleet_tests::Packing::Zstd);
        let mut worst = Vec::new();
        for _ in 0..self.runs {
            let host = Host::alone(&setup())?;
            let done = AtomicBool::new(false);
            let slowest = std::thread::scope(|scope| {
                let asking = scope.spawn(|| {
                    let mut slowest = 0.0_f64;
                    while !done.load(Ordering::SeqCst) {
                        let started = Instant::now();
                        host.master().get("/health")?;
                        slowest = slowest.max(started.elapsed().as_secs_f64());
                    }
                    anyhow::Ok(slowest)
                });
                let pushed = host.push(&release);
                done.store(true, Ordering::SeqCst);
                pushed?.result()?;
                asking.join().ok().context("it does not panic")?
            })?;
            worst.push(slowest * 1000.0);
        }
        report.at_most("/health while LARGE comes in, worst answer", median(worst), "ms", 50.0);
        Ok(())
    }
}

/// The peaks of both ends.
pub(crate) fn memory_of(archives: &[(&str, &Archives)], report: &mut Report) -> Result<()> {
    for (name, archive) in archives {
        let fleet = Fleet::of(1, &setup())?;
        let host = fleet.hosts.first().context("a host")?;
        if *name == "SMALL" {
            let idle = peak(host, "VmRSS")?;
            report.at_most("updater's memory, idle", idle, "MiB", 12.0);
        }
        let swarm = update_with(&fleet, &archive.zstd)?;
        let updater = peak(host, "VmHWM")?;
        report.at_most(&format!("updater's memory, peak at {name}"), updater, "MiB", 24.0);
        report.at_most(&format!("swarm's memory, peak at {name}"), swarm, "MiB", 48.0);
        if *name == "LARGE" {
            let eight = Fleet::of(8, &setup())?;
            let swarm = update_with(&eight, &archive.zstd)?;
            report.at_most("swarm's memory, peak at LARGE to 8", swarm, "MiB", 48.0);
        }
    }
    Ok(())
}

fn peak(host: &Host, field: &str) -> Result<f64> {
    fleet_tests::memory_of(host.updater()?, field).context("the updater runs")
}

/// How long `swarm update` takes to bring the archive to fresh hosts.
fn update(archive: &Path, hosts: usize) -> Result<f64> {
    let fleet = Fleet::of(hosts, &setup())?;
    nix::unistd::sync();
    let started = Instant::now();
    update_with(&fleet, archive)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Updates, and says how much memory `swarm` had at most.
fn update_with(fleet: &Fleet, archive: &Path) -> Result<f64> {
    let mut command = fleet.command(["update", "--all", "--archive"])?;
    let mut child = command.arg(archive).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let peak = fleet_tests::peak_until_end(&mut child)?;
    ensure!(child.wait()?.success(), "swarm update failed");
    Ok(peak)
}

/// How long tar and a sync take for the same archive, `times` times at once.
fn unpack(archive: &Path, times: usize) -> Result<f64> {
    let place = Sandbox::new()?;
    nix::unistd::sync();
    let started = Instant::now();
    let mut children = Vec::new();
    for number in 0..times {
        let directory = place.path().join(number.to_string());
        fs::create_dir(&directory)?;
        // Compression by the suffix, as with -z and --zstd.
        let script = r#"tar -xaf "$1" -C "$2" && sync -f "$2""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(archive).arg(&directory);
        children.push(command.spawn()?);
    }
    for mut child in children {
        ensure!(child.wait()?.success(), "tar failed");
    }
    Ok(started.elapsed().as_secs_f64())
}

/// From the verdict to the end.
fn reversal(events: &[Event]) -> Result<f64> {
    let verdict = events
        .iter()
        .find(|event| matches!(event.kind, EventKind::Phase { phase: Phase::Reversing, .. }));
    let verdict = verdict.context("it was reversed")?.time;
    let end = events.last().context("it ended")?.time;
    Ok((end - verdict).as_seconds_f64())
}
