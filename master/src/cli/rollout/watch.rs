//! `swarm rollout watch ID`: follows a rollout from any terminal.

use std::time::Duration;

use control::rollout::{Observer as _, ReleaseNames, Summary, rollout_status};
use explain::{Exit, Failure};

use crate::cli::Context;
use crate::cli::begin::follow;
use crate::cli::rollout::args::Which;
use crate::cli::runtime::block_on;
use crate::output::show_summary;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Shows what happened and what happens, until nothing does any more.
pub(super) fn run(which: &Which, context: &Context) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let rollout = store.find_rollout(&which.id)?;
    let names = ReleaseNames::read(store)?;
    let (plan, _) = context.rollouts().begun(rollout.id)?;
    let screen = follow(context, rollout.id, &plan, &names, false)?;
    let (mut shown, mut begun) = (0, false);
    let summary = block_on(async {
        loop {
            let status = rollout_status(store, store.rollout(rollout.id)?, now())?;
            for (sequence, event) in store.events_after(rollout.id, shown)? {
                // What happened before is in what is drawn.
                if begun || !screen.is_drawn() {
                    screen.happened(&event);
                }
                shown = sequence;
            }
            begun = true;
            let summary = Summary::of(rollout.id, &status.state);
            let is_idle = status.state.is_idle();
            screen.status(status);
            if is_idle {
                return Ok::<_, Failure>(summary);
            }
            tokio::time::sleep(LOOK).await;
        }
    })??;
    drop(screen);
    show_summary(output, &summary, &names, now());
    Ok(summary.exit())
}
