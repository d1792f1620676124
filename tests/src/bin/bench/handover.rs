//! What updates cost whoever asks the agent meanwhile: with a handover, and with restarts.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Host, Load, LoadReport, Setup, Tree};
use protocol::Status;

use crate::report::Report;

/// The agent takes so long to listen.
const START_MS: u64 = 300;

/// So many updates under a load, by each strategy.
pub(crate) fn handover(updates: usize, report: &mut Report) -> Result<()> {
    let quiet = under_load(&Setup::default().handover(), 0)?;
    let restart = under_load(&Setup::default(), updates)?;
    let held = under_load(&Setup::default().run("sockets", "['{agent}']"), updates)?;
    let ours = under_load(&Setup::default().handover(), updates)?;
    let what = |figure: &str| format!("{updates} updates by handover, {figure}");
    report.at_most(&what("requests lost"), lost(&ours)?, "", 0.0);
    report.peer("restart", lost(&restart)?);
    let longest = |waits: &LoadReport| waits.longest().as_secs_f64();
    let peer = ("restart, socket held", longest(&held));
    report.against(&what("longest wait"), longest(&ours), peer, 0.5);
    let p99 = |waits: &LoadReport| waits.percentile(99).as_secs_f64();
    report.against(&what("p99"), p99(&ours), ("no update at all", p99(&quiet)), 3.0);
    Ok(())
}

/// What clients saw of so many updates, or of a few thousand requests without any.
fn under_load(setup: &Setup, updates: usize) -> Result<LoadReport> {
    let host = Host::alone(&setup.clone().health("attempts", "100"))?;
    let release = |number: usize| {
        let message = format!("release {number}");
        Tree::release(&Behaviour { message, slow_start_ms: START_MS, ..Behaviour::default() })
    };
    host.push(&release(0)?)?.result()?;
    let load = Load::begin(host.agent);
    let ran = (1..=updates).try_for_each(|number| {
        let result = host.push(&release(number)?)?.result()?;
        ensure!(result.status == Status::Updated, "{result:?}");
        Ok(())
    });
    if updates == 0 {
        // As long as a handful of updates takes.
        for _ in 0..500 {
            host.app()?;
        }
    }
    let waits = load.end();
    ran?;
    waits
}

fn lost(waits: &LoadReport) -> Result<f64> {
    Ok(f64::from(u32::try_from(waits.lost.len()).context("a countable number")?))
}
