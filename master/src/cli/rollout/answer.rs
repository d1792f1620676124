//! `swarm rollout approve`, `reject`, `pause`, `resume`, `continue`, `rollback`, `abort`.
//!
//! What is asked is kept at once. If a process drives the rollout, it hears of it; else this one
//! goes on with it.

use api::RolloutDocument;
use control::interrupt::Interrupt;
use control::rollout::{RolloutError, rollout_status};
use engine::{Request, RolloutResult, describe_rollout};
use explain::{Exit, Failure};

use crate::cli::Context;
use crate::cli::begin::{clients, drive};
use crate::cli::rollout::args::Which;
use crate::cli::runtime::block_on;

/// Asks, and goes on if no other process does.
pub(in crate::cli) fn run(
    which: &Which,
    request: &Request,
    because: Option<&str>,
    context: &Context,
) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let rollout = store.find_rollout(&which.id)?;
    let (id, rollouts) = (rollout.id, context.rollouts());
    if *request == Request::Resume
        && let Some(driver) = rollouts.driver(id)?
    {
        return Err(RolloutError::Driven { rollout: id, driver }.into());
    }
    let before = rollouts.last_shown(&rollout)?;
    let state = rollouts.ask(rollout.clone(), request, because)?;
    let driver = rollouts.driver(id)?;
    if state.is_idle() && driver.is_none() {
        for fault in block_on(rollouts.announce(id, before))?? {
            output.note(&fault);
        }
    }
    if state.is_idle() || driver.is_some() {
        if output.json() {
            let status = rollout_status(store, rollout, now())?;
            output.document(&RolloutDocument::of(&status));
        }
        output.note(&match driver {
            Some(driver) => format!("{driver} drives it, and has been told"),
            None => describe_rollout(&state),
        });
        return Ok(Exit::Success);
    }
    output.note("no swarm process drives it: going on with it from here");
    block_on(async {
        let interrupt = Interrupt::listen()?;
        let (plan, sources) = rollouts.begun(id)?;
        let archives = sources.find(&context.sources(&interrupt), &plan).await?;
        let clients = clients(context, &plan)?;
        let summary = drive(context, id, archives, clients, interrupt).await?;
        Ok(match (request, summary.result) {
            // As asked.
            (Request::Rollback, RolloutResult::RolledBack)
            | (Request::Abort, RolloutResult::Aborted)
            | (Request::Pause, RolloutResult::Paused) => Exit::Success,
            _ => summary.exit(),
        })
    })?
}
