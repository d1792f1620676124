//! Kills the updater at every checkpoint of everything that it does, and the next one at every
//! checkpoint of its recovery; says how many points were tried and how many held.
//!
//! It also kills the master after every event of a rollout.
//!
//! Words are scenarios (`update`; `master` for the latter) or single points, as a failure names them
//! (`update:5,3`).

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use fleet_tests::crashes::{
    CrashedHost, Point, Scenario, SweepResult, kill_master_after_every, sweep_once, sweep_recovery,
};
use fleet_tests::in_lanes;
use strum::VariantArray as _;

/// The word for the master that is killed after every event of a rollout.
const MASTER: &str = "master";
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
    let swept = sweep_all(if all { Scenario::VARIANTS } else { &scenarios })?;
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

/// Every point at which one updater is killed, and then every pair: a result for each scenario, and one for
/// each first point of a pair.
fn sweep_all(scenarios: &[Scenario]) -> Result<Vec<SweepResult>> {
    let once = in_lanes(scenarios, |scenario| sweep_once(*scenario))?;
    let firsts = |(scenario, once): (&Scenario, &SweepResult)| {
        let scenario = *scenario;
        (1..=once.tried).map(move |first| (scenario, first))
    };
    let pairs: Vec<_> = scenarios.iter().zip(&once).flat_map(firsts).collect();
    let (began, left) = (Instant::now(), AtomicUsize::new(pairs.len()));
    let twice = in_lanes(&pairs, |(scenario, first)| {
        let swept = sweep_recovery(*scenario, *first)?;
        // Whoever waits sees that it goes on.
        let left = left.fetch_sub(1, Ordering::SeqCst) - 1;
        let (tried, lost, after) = (swept.tried, swept.lost.len(), began.elapsed());
        say(&format!(
            "{scenario}:{first}: {tried} pairs tried, {lost} lost; {left} left, {after:.0?}"
        ))?;
        Ok(swept)
    })?;
    for (index, scenario) in scenarios.iter().enumerate() {
        let of = pairs.iter().zip(&twice).filter(|((of, _), _)| of == scenario);
        let tried = once[index].tried + of.map(|(_, swept)| swept.tried).sum::<u32>();
        say(&format!("{scenario}: {tried} points tried"))?;
    }
    Ok(once.into_iter().chain(twice).collect())
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
