//! Disturbs an updater at each of its calls on the file system, one after the other, and looks at
//! what becomes of its host: it is killed there, or the call fails, or the power goes.
//!
//! Nothing here may be gentler than the real thing: the programs are the real ones, a killed one is
//! killed in the middle of its call, and what must hold is what every other test asks for.

mod audit;
mod disturbed_host;
mod false_sync;
mod fault;
mod report;
mod scenario;
mod self_update;
mod sweep;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum as _};
use fleet_tests::faults::{INTERCEPTED, run_intercepted};
use fleet_tests::volume::alone_with_mounts;

use crate::false_sync::FalseSync;
use crate::fault::FaultKind;
use crate::scenario::Scenario;

/// Disturbs an updater at each of its calls on the file system.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    /// What the updater is doing; everything if absent
    #[arg(long)]
    scenario: Vec<Scenario>,
    /// What happens to the call; everything if absent
    #[arg(long)]
    fault: Vec<FaultKind>,
    /// What the disk says that it has written, and has not: with it, a power cut must lose points
    #[arg(long)]
    lie: Vec<FalseSync>,
    /// At this call alone, as a failure names it: THREAD:CALL:PATH:NUMBER
    #[arg(long, value_name = "CALL")]
    at: Option<String>,
    /// Only so many calls, spread over all
    #[arg(long, value_name = "NUMBER")]
    sample: Option<usize>,
    /// Which ones
    #[arg(long, default_value_t = 1)]
    seed: usize,
    /// Print the calls, and disturb none
    #[arg(long)]
    list: bool,
    /// Hosts at the same time
    #[arg(long, default_value_t = fleet_tests::lanes())]
    jobs: usize,
}

fn main() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == INTERCEPTED) {
        run_intercepted(words)?;
    }
    let mut asked = Arguments::parse();
    if asked.fault.is_empty() {
        asked.fault = FaultKind::value_variants().to_vec();
    }
    if let Err(error) = alone_with_mounts() {
        // Asked for by name, it fails later, and says so.
        say(&format!("LEFT OUT: no power is cut, since no disk can be mounted: {error:#}"))?;
        asked.fault.retain(|kind| kind.disk().is_none());
    }
    if asked.list {
        for point in sweep::points(&asked)? {
            writeln!(std::io::stdout(), "{:?} {:?} {}", point.scenario, point.kind, point.at)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = sweep::sweep(&asked)?;
    report.print()?;
    Ok(if report.held() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What happens, for whoever waits; the table goes to stdout.
fn say(what: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "crash: {what}")?)
}
