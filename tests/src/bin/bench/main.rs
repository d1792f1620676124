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

use anyhow::{Result, bail};
use fleet_tests::Sandbox;

use crate::push::Bench;
use crate::report::Report;
use crate::workload::{Archives, Size};

/// An odd number, at least five.
const RUNS: usize = 5;

/// The parts, and what each measures.
const PARTS: [(&str, &str); 7] = [
    ("small", "a push of SMALL, and one that crashes at once"),
    ("large", "a push of LARGE to one host, against tar"),
    ("health", "GET /health while LARGE comes in"),
    ("memory", "what the programs have in memory"),
    ("handover", "requests that are lost by handover and by restart"),
    ("simulate", "1,000, 10,000 and 100,000 hosts that are made up"),
    ("eight", "a push of LARGE to eight hosts, against tar"),
];

fn main() -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked.iter().any(|word| matches!(word.as_str(), "--help" | "-h" | "help")) {
        return Ok(std::io::stdout().write_all(help().as_bytes())?);
    }
    let unknown = asked.iter().find(|word| !PARTS.iter().any(|(part, _)| part == word));
    if let Some(unknown) = unknown {
        bail!("there is no part {unknown:?}\n\n{}", help());
    }
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
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

fn help() -> String {
    let begin = "Measures what an update costs. The table goes to stdout, and to bench.json.\n\n\
                 bench [PART …]    without any: all of them\n\n";
    let parts = PARTS.iter().map(|(part, what)| format!("  {part:<10}{what}\n"));
    begin.to_owned() + &parts.collect::<String>()
}

/// What happens, for whoever waits; the table goes to stdout.
fn say(what: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "bench: {what}")?)
}
