//! All points, one after the other, on a few hosts at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};
use fleet_tests::faults::{Call, Effect};
use fleet_tests::volume::FileSystem;
use updater::self_update::PROGRAM;

use crate::audit::names_are_synced;
use crate::disturbed_host::{DisturbedHost, END};
use crate::false_sync::FalseSync;
use crate::fault::FaultKind;
use crate::report::{Report, Verdict};
use crate::scenario::Scenario;
use crate::{Arguments, say};

/// A scenario, what happens in it, and at which call.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) scenario: Scenario,
    pub(crate) kind: FaultKind,
    /// The call, as [`fleet_tests::faults::Call`] is written.
    pub(crate) at: String,
}

/// Tries every point that is asked for.
pub(crate) fn sweep(asked: &Arguments) -> Result<Report> {
    let points = points(asked)?;
    ensure!(!points.is_empty(), "there is nothing to try");
    say(&format!("{} points", points.len()))?;
    let report = Mutex::new(Report::new(points.len()));
    let queue = Mutex::new(VecDeque::from(points));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..asked.jobs.max(1))
            .map(|_| scope.spawn(|| work(&queue, &report, &asked.lie)))
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn work(queue: &Mutex<VecDeque<Point>>, report: &Mutex<Report>, lies: &[FalseSync]) -> Result<()> {
    let mut host = None;
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(point) = next else { return Ok(()) };
        let verdict = attempt(&mut host, &point, lies)?;
        report.lock().unwrap_or_else(PoisonError::into_inner).add(&point, verdict)?;
    }
}

/// The host at hand, and what its disk is.
type Used = (Option<FileSystem>, DisturbedHost);

/// Tries a point, on the host at hand. One that was found wanting is not used again.
fn attempt(used: &mut Option<Used>, point: &Point, lies: &[FalseSync]) -> Result<Verdict> {
    // How threads take turns, and with that what they come to do, differs from run to run.
    for _ in 0..2 {
        let mut host = match used.take() {
            Some((disk, host)) if disk == point.kind.disk() => host,
            _ => DisturbedHost::new(point.kind.disk(), lies)?,
        };
        match host.disturb(point.scenario, point.kind, &point.at) {
            Ok(reached) => {
                *used = Some((point.kind.disk(), host));
                if reached {
                    return Ok(Verdict::Held);
                }
            }
            Err(error) => return Ok(Verdict::Lost(format!("{error:#}"))),
        }
    }
    Ok(Verdict::NotReached)
}

/// Every point that is asked for, as one undisturbed run of each scenario shows it.
pub(crate) fn points(asked: &Arguments) -> Result<Vec<Point>> {
    let some = |given: &[Scenario]| !given.is_empty();
    let scenarios = if some(&asked.scenario) { &asked.scenario } else { Scenario::ALL };
    let kinds = &asked.fault;
    let mut points = Vec::new();
    let mut host = None;
    for scenario in scenarios.iter().copied() {
        if let Some(at) = &asked.at {
            let point = |kind: &FaultKind| Point { scenario, kind: *kind, at: at.clone() };
            points.extend(kinds.iter().map(point));
            continue;
        }
        let host: &mut DisturbedHost = match &mut host {
            Some(host) => host,
            none => none.insert(DisturbedHost::new(None, &[])?),
        };
        let calls = host.record(scenario)?;
        let honest = |call: &&Call| !asked.lie.iter().any(|lie| lie.is_about(call));
        names_are_synced(&calls.iter().filter(honest).collect::<Vec<_>>())?;
        for kind in kinds.iter().copied() {
            let calls = calls.iter().filter(|call| kind.befalls(call) && !is_like_another(call));
            points.extend(calls.map(|call| Point { scenario, kind, at: call.to_string() }));
            if kind.disk().is_some() && !scenario.is_recovery() {
                points.push(Point { scenario, kind, at: END.to_owned() });
            }
        }
    }
    // A disk is made once, and used for all that is tried on it.
    points.sort_by_key(|point| point.kind.disk());
    Ok(sampled(points, asked))
}

/// In the middle of a large file one write is like the one before.
fn is_like_another(call: &Call) -> bool {
    let large = call.act == Effect::Write && call.path.ends_with(PROGRAM);
    large && !call.number.is_power_of_two()
}

/// As many as are asked for, at the same distance from each other.
fn sampled(points: Vec<Point>, asked: &Arguments) -> Vec<Point> {
    let Some(wanted) = asked.sample else { return points };
    let step = points.len().div_ceil(wanted.max(1)).max(1);
    points.into_iter().skip(asked.seed % step).step_by(step).collect()
}
