//! `swarm rollout approve`, `reject`, `pause`, `resume`, `continue`, `rollback`, `abort`.
//!
//! What is asked is kept at once. If a process drives the rollout, it hears of it; else this one
//! goes on with it.

use api::RolloutDocument;
use control::rollout::{Interrupt, RolloutError, rollout_status};
use engine::{Request, waits_for};
use explain::{Exit, Failure};
use store::RolloutResult;

use crate::cli::Context;
use crate::cli::begin::{drive, workers};
use crate::cli::rollout::args::Which;
use crate::cli::runtime::block_on;

/// Asks, and goes on if nobody else does.
pub(super) fn run(which: &Which, request: &Request, context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, output, now, .. } = context;
    let rollout = store.find_rollout(&which.id)?;
    let (id, rollouts) = (rollout.id, context.rollouts());
    if *request == Request::Resume
        && let Some(driver) = rollouts.driver(id)?
    {
        return Err(RolloutError::Driven { rollout: id, driver }.into());
    }
    let before = rollouts.last_shown(&rollout)?;
    let state = rollouts.ask(rollout.clone(), request)?;
    let driver = rollouts.driver(id)?;
    if state.rests() && driver.is_none() {
        for fault in block_on(rollouts.announce(id, before))?? {
            output.note(&fault);
        }
    }
    if state.rests() || driver.is_some() {
        if output.json() {
            let status = rollout_status(store, rollout, now())?;
            output.document(&RolloutDocument::of(&status));
        }
        output.note(&match driver {
            Some(driver) => format!("{driver} drives it, and has been told"),
            None => waits_for(&state),
        });
        return Ok(Exit::Success);
    }
    output.note("nobody drives it: going on with it from here");
    block_on(async {
        let interrupt = Interrupt::listen().map_err(RolloutError::from)?;
        let (plan, sources) = rollouts.begun(id)?;
        let archives = sources.find(home, store, &plan, now()).await?;
        let workers = workers(context, &plan)?;
        let summary = drive(context, id, archives, workers, interrupt).await?;
        Ok(match (request, summary.result) {
            // As asked.
            (Request::Rollback, RolloutResult::RolledBack)
            | (Request::Abort, RolloutResult::Aborted)
            | (Request::Pause, RolloutResult::Paused) => Exit::Success,
            _ => summary.exit(),
        })
    })?
}
