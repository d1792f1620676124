//! `swarm rollout show ID`.

use crate::cli::Context;
use crate::cli::rollout::args::Which;
use crate::output::{Exit, Failure, Table, when};
use crate::rollout::engine::{counts, waits_for, why};
use crate::rollout::{ReleaseNames, Stand, stand};

/// Shows where it stands, host by host.
pub(super) fn run(which: &Which, context: &Context) -> Result<Exit, Failure> {
    let Context { store, output, now, .. } = context;
    let stand = stand(store, store.find_rollout(&which.id)?, now())?;
    if output.json() {
        output.document(&stand.document());
    } else {
        output.data(&text(&stand, &ReleaseNames::read(store)?));
    }
    Ok(Exit::Success)
}

pub(super) fn text(stand: &Stand, names: &ReleaseNames) -> String {
    let Stand { rollout, state, driver } = stand;
    let mut table = Table::new(["HOST", "STATE", "SINCE", "WHY"]);
    for (planned, host) in state.hosts() {
        let why = why(state, &planned.host).unwrap_or_default();
        table.row([planned.host.as_str(), host.name(), &when(host.since), &why]);
    }
    let driver = match driver {
        Some(driver) => format!("driven by {} (process {})", driver.claim.who, driver.claim.pid),
        None => "driven by nobody".to_owned(),
    };
    let counts: Vec<_> =
        counts(state).iter().map(|(name, count)| format!("{count} {name}")).collect();
    let release = match rollout.release {
        Some(release) => format!(" to {}", names.of(Some(&release))),
        None => String::new(),
    };
    format!(
        "rollout {}\n{}{release} of {}, by {}, {}\n{}\n{driver}\n\n{}\n{}\n",
        rollout.id,
        rollout.kind,
        rollout.selection,
        rollout.who,
        when(rollout.started_at),
        waits_for(state),
        table.render(),
        counts.join(", ")
    )
}
