//! Measures what an update costs, against what the machine's own tools take for the same bytes.
//!
//! Times mean nothing on a shared machine: every figure is a ratio to a peer that ran between our
//! runs, on the same archive, and a median. Nothing here may be quicker than what a user gets: the
//! programs, their durability and their checks are the real ones.

mod handover;
mod push;
mod report;
mod simulate;
mod workload;

use std::io::Write as _;

use anyhow::Result;
use fleet_tests::Sandbox;

use crate::push::Bench;
use crate::report::Report;
use crate::workload::{Archives, Size};

/// An odd number, at least five.
const RUNS: usize = 5;

fn main() -> Result<()> {
    let place = Sandbox::new()?;
    let mut report = Report::default();
    let bench = Bench::new(RUNS);
    say("making the workloads")?;
    let small = Archives::make(place.path(), Size::Small)?;
    let large = Archives::make(place.path(), Size::Large)?;
    if wanted("small") {
        say("pushing SMALL, and one that crashes at once")?;
        bench.small(&small, &mut report)?;
        bench.crash(&mut report)?;
    }
    if wanted("large") {
        say("pushing LARGE to one host, and unpacking it with tar")?;
        bench.large(&large, &mut report)?;
    }
    if wanted("health") {
        say("asking for the health while LARGE comes in")?;
        bench.health(&large, &mut report)?;
    }
    if wanted("memory") {
        say("looking at the memory")?;
        let huge = Archives::make(place.path(), Size::Huge)?;
        push::memory_of(&[("SMALL", &small), ("LARGE", &large), ("HUGE", &huge)], &mut report)?;
    }
    if wanted("handover") {
        say("updating by handover and by restarts while requests come in")?;
        handover::handover(RUNS, &mut report)?;
    }
    if wanted("simulate") {
        say("simulating 1,000, 10,000 and 100,000 hosts")?;
        simulate::simulate(RUNS, &mut report)?;
    }
    if wanted("eight") {
        say("pushing LARGE to eight hosts, and unpacking it eight times with tar")?;
        bench.eight(&large, &mut report)?;
    }
    report.leave_out("rsync, ssh", "they need a server on this machine");
    report.leave_out("ansible, pyinfra, the reference updater", "they are not installed");
    report.print()?;
    report.write(std::path::Path::new("bench.json"))
}

/// Whether a part was asked for: `bench small memory` measures those two, and `bench` everything.
fn wanted(part: &str) -> bool {
    let mut asked = std::env::args().skip(1).peekable();
    asked.peek().is_none() || asked.any(|one| one == part)
}

/// What happens, for whoever waits; the table goes to stdout.
fn say(what: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "bench: {what}")?)
}
