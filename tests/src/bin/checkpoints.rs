//! Kills the updater at every checkpoint of everything that it does, and the next one at every
//! checkpoint of its recovery; says how many points were tried and how many held.
//!
//! It also kills the master after every event of a rollout.
//!
//! Words are scenarios (`update`; `master` for the latter) or single points, as a failure names them
//! (`update:5,3`).

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use fleet_tests::crashes::{
    CrashedHost, Point, Scenario, SweepResult, kill_master_after_every, sweep_twice,
};

/// The word for the master that is killed after every event of a rollout.
const MASTER: &str = "master";
/// Hosts at the same time.
const JOBS: usize = 2;

fn main() -> Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let points = words.iter().filter(|word| word.contains(':')).map(|word| word.parse());
    let points: Vec<Point> = points.collect::<Result<_>>()?;
    if !points.is_empty() {
        for point in points {
            let killed = point.attempt(&mut CrashedHost::new(point.scenario)?)?;
            say(&format!("{point} held, killed at {}", killed.join(" and at ")))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (masters, scenarios): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| word == MASTER);
    let all = masters.is_empty() && scenarios.is_empty();
    if all || !masters.is_empty() {
        let killed = kill_master_after_every(1)?;
        say(&format!("{MASTER}: killed {killed} times, and its rollout came to the same end"))?;
    }
    let scenarios: Vec<Scenario> =
        scenarios.iter().map(|word| word.parse()).collect::<Result<_>>()?;
    let swept = sweep_all(if all { &Scenario::ALL } else { &scenarios })?;
    let tried: u32 = swept.iter().map(|swept| swept.tried).sum();
    let lost: usize = swept.iter().map(|swept| swept.lost.len()).sum();
    for swept in &swept {
        if let Err(error) = swept.held() {
            say(&format!("{error:#}"))?;
        }
    }
    say(&format!("{tried} points tried, {lost} lost"))?;
    Ok(if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sweep_all(scenarios: &[Scenario]) -> Result<Vec<SweepResult>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<SweepResult>> {
        let mut all = Vec::new();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::SeqCst)) {
            all.push(sweep(*scenario)?);
        }
        Ok(all)
    };
    thread::scope(|scope| {
        let jobs: Vec<_> = (0..JOBS).map(|_| scope.spawn(work)).collect();
        let done = jobs.into_iter().map(|job| job.join().ok().context("a job panicked")?);
        Ok(done.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}

fn sweep(scenario: Scenario) -> Result<SweepResult> {
    let (began, told) = (Instant::now(), AtomicU32::new(0));
    let swept = sweep_twice(scenario, |swept| {
        // Now and then a line, so that whoever waits sees that it goes on.
        if swept.tried / 50 > told.load(Ordering::Relaxed) {
            told.store(swept.tried / 50, Ordering::Relaxed);
            let _ = say(&format!("  {scenario}: {} so far", swept.tried));
        }
    })?;
    let (lost, took) = (swept.lost.len(), began.elapsed());
    say(&format!("{scenario}: {} points tried, {lost} lost, {took:.0?}", swept.tried))?;
    Ok(swept)
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
