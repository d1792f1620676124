//! Where an operator has to agree before the rollout goes on. It starts no host.

use time::OffsetDateTime;

use crate::{Approve, Command, Gate, Notice, State, Status};

/// Waits for an operator to approve the gate, where the policy asks for that; else passes it.
pub(super) fn reach_gate(
    state: &mut State,
    gate: Gate,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    let canary = state.plan.batches.get(state.batch).is_some_and(|batch| batch.canary);
    let after_canary = canary && gate != Gate::Start;
    let needs_approval = match (state.plan.policy.approve, gate) {
        (Approve::Never, _) => false,
        (Approve::Start, gate) => gate == Gate::Start,
        (Approve::Canary, _) => after_canary,
        (Approve::Batch, _) => true,
    };
    if needs_approval && state.batches.hosts() > 0 {
        out.push(Command::Announce(Notice::awaiting_approval(&state.plan, gate)));
        state.enter(Status::AwaitingApproval(gate), now);
    } else {
        pass_gate(state, gate, now, out);
    }
}

pub(super) fn pass_gate(
    state: &mut State,
    gate: Gate,
    now: OffsetDateTime,
    out: &mut Vec<Command>,
) {
    if gate == Gate::Start {
        out.push(Command::Announce(Notice::started(&state.plan)));
    }
    state.enter(Status::Running, now);
}
