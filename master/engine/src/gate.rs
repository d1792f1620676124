//! The gate before a host: may it be ordered, as it is now?

use protocol::{HostOutcome, Phase};

use crate::{Action, AppReport, Observation, Plan, PlannedHost, Row};

/// What is behind the gate.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Go,
    /// Nothing: this is the host's row.
    Done(Row),
    /// Nothing: the host is not well, and this would be its row.
    Unwell(Row),
}

/// Judges a host by how it was found. The first that applies decides:
///
/// | the host | |
/// |---|---|
/// | does not answer, or refuses to | unreachable, or failed |
/// | has no such app | `unknown_app` |
/// | is in another transaction | `update_in_progress` |
/// | runs what it is to run, and is well | already current |
/// | runs something else than when the plan was made | `moved` |
/// | has no room for the archive | `no_space` |
/// | is not well | `unhealthy`, unless that is allowed, or the same release is activated again |
pub(super) fn judge(plan: &Plan, planned: &PlannedHost, seen: &Observation) -> Verdict {
    let row = |outcome| Row { from: planned.from, ..Row::new(&planned.host, outcome) };
    let failed = |from| Row { from, to: from, ..Row::new(&planned.host, HostOutcome::Failed) };
    let sighting = match seen {
        Observation::Here(sighting) => sighting,
        Observation::Refused { code, detail } => {
            return Verdict::Done(row(HostOutcome::Failed).because(code, detail));
        }
        Observation::Unreachable { code, detail } => {
            return Verdict::Done(row(HostOutcome::Unreachable).because(code, detail));
        }
    };
    let Some(app) = &sighting.app else {
        let detail = format!("it has no app {}", plan.app);
        return Verdict::Done(failed(None).because("unknown_app", &detail));
    };
    let active = app.active;
    if app.phase != Phase::Idle {
        let detail = format!("another transaction is {} there", app.phase);
        return Verdict::Done(failed(active).because("update_in_progress", &detail));
    }
    if is_there(plan, planned, app) {
        let outcome = HostOutcome::AlreadyCurrent;
        return Verdict::Done(Row { from: active, to: active, ..row(outcome) });
    }
    if active != planned.from {
        let named = |digest: Option<protocol::Digest>| {
            digest.map_or_else(|| "nothing".to_owned(), |digest| digest.short())
        };
        let (now, then) = (named(active), named(planned.from));
        let detail = format!("it runs {now} now; the plan was made when it ran {then}");
        return Verdict::Done(failed(active).because("moved", &detail));
    }
    if let Some(room) = app.room.filter(|room| *room < planned.bytes) {
        let detail = no_room(planned.bytes, room);
        return Verdict::Done(failed(active).because("no_space", &detail));
    }
    let repair = plan.policy.options.force && active == planned.to;
    if !app.healthy && !plan.policy.allow_unhealthy && !repair {
        let detail = format!("its agent is {}; --allow-unhealthy goes on all the same", app.agent);
        return Verdict::Unwell(failed(active).because("unhealthy", &detail));
    }
    Verdict::Go
}

/// What is said of a host whose disk is too full.
pub fn no_room(bytes: u64, room: u64) -> String {
    format!("the archive has {bytes} bytes, and its disk has room for {room}")
}

/// Whether nothing is left to do there.
fn is_there(plan: &Plan, planned: &PlannedHost, app: &AppReport) -> bool {
    let current = app.active.is_some() && app.active == planned.to && app.healthy;
    current && planned.action != Action::UpdateSelf && !plan.policy.options.force
}
