//! `swarm rollout watch ID`: follows a rollout from any terminal.

use std::time::Duration;

use crate::cli::Context;
use crate::cli::log::line;
use crate::cli::rollout::args::Which;
use crate::cli::runtime::block_on;
use crate::output::{Exit, Failure};
use crate::rollout::{ReleaseNames, Summary, stand};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Shows what happened and what happens, until nothing does any more.
pub(super) fn run(which: &Which, context: &Context) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let rollout = store.find_rollout(&which.id)?;
    let names = ReleaseNames::read(store)?;
    let mut shown = 0;
    block_on(async {
        loop {
            let stand = stand(store, rollout.clone(), now())?;
            for (sequence, event) in store.events_after(rollout.id, shown)? {
                if output.json() {
                    output.line(&event);
                } else {
                    let host = event.host.as_ref().map(|host| format!("{host}  "));
                    output.data(&format!("{}{}", host.unwrap_or_default(), line(&event, &names)));
                }
                shown = sequence;
            }
            if stand.state.rests() {
                let summary = Summary::of(rollout.id, &stand.state);
                if output.json() {
                    output.line(&summary);
                } else {
                    output.note(&summary.detail);
                }
                return Ok(summary.exit());
            }
            tokio::time::sleep(LOOK).await;
        }
    })?
}
