//! Simulated rollouts of 1,000, 10,000 and 100,000 hosts: both time and memory must grow with the
//! number of hosts, and not faster.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::report::{Report, median};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
/// Ten times the hosts take at most so much more than ten times as long, and as much memory.
const LINEAR: f64 = 2.0;

/// Runs each size so many times.
pub(crate) fn simulate(runs: usize, report: &mut Report) -> Result<()> {
    let mut before: Option<(u32, f64, f64)> = None;
    for hosts in SIZES {
        let all = (0..runs).map(|_| once(hosts)).collect::<Result<Vec<_>>>()?;
        let seconds = median(all.iter().map(|(seconds, _)| *seconds).collect());
        let memory = median(all.iter().map(|(_, memory)| *memory).collect());
        let (what, used) =
            (format!("simulating {hosts} hosts"), format!("memory of simulating {hosts} hosts"));
        match before {
            None => {
                report.at_most(&what, seconds, "s", 1.0);
                report.at_most(&used, memory, "MiB", 64.0);
            }
            Some((fewer, took, had)) => {
                let times = f64::from(hosts / fewer);
                let peer = format!("{times} x {fewer} hosts");
                report.against(&what, seconds, (&peer, times * took), LINEAR);
                report.at_most(&used, memory, "MiB", (LINEAR * times * had).round());
            }
        }
        before = Some((hosts, seconds, memory));
    }
    Ok(())
}

fn once(hosts: u32) -> Result<(f64, f64)> {
    let started = Instant::now();
    let mut child = Command::new(fleet_tests::program("swarm")?)
        .args(["simulate", "--canary", "10", "--batch", "10%", "--parallel", "100"])
        .args(["--broken", "0.1%", "--slow", "1%", "--hosts", &hosts.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let memory = fleet_tests::peak_until_end(&mut child)?;
    ensure!(child.wait()?.success(), "swarm simulate failed");
    Ok((started.elapsed().as_secs_f64(), memory))
}
