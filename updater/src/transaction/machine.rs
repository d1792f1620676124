//! The transaction's state machine, as data and functions.
//!
//! It decides what comes next, and nothing else: no I/O, no clock. The engine carries a phase's
//! act out, tells what became of it, and asks for the next step. A transaction goes forward
//! through the phases in their order; from any after the switch it may turn around once, and then
//! only goes back.
//!
//! ```text
//! receiving → verifying → building → staged [→ backing_up → migrating] → switching → restarting
//!                                                → probing [→ confirming] → watching → the end
//! backing_up … watching  ─failed→  reversing [→ migrating] → restarting → probing → the end
//! ```
//!
//! In a handover the new agent is started beside the old one, and must be ready before the link
//! moves; on the way back it is the old one that must be ready before the new one goes.
//!
//! ```text
//! … staged → starting → switching → draining → probing [→ confirming] → watching → the end
//! starting … watching  ─failed→  reversing → starting → draining → probing → the end
//! ```
//!
//! Where stored data changes its form, the agent is stopped: that is no handover. A migration that
//! cannot be undone takes the way back away: from the moment that it begins, a failure leaves the
//! host where it is.
//!
//! The updater's own update has nothing to reverse, because it switches last: a new updater is
//! started beside the old one, and only when it was proven does the link move.
//!
//! ```text
//! receiving → verifying → building → staged → probing → switching → the end
//! ```

use protocol::{Kind, Outcome, Phase};
use serde::{Deserialize, Serialize};

/// Which way a transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the release that was ordered.
    Forward,
    /// To the release that ran before.
    Back,
}

/// The part of a transaction that decisions are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// What it is for.
    pub kind: Kind,
    /// The act that is announced, and may be half done.
    pub phase: Phase,
    /// Which way it goes.
    pub direction: Direction,
    /// Whether the master has to confirm.
    pub confirm: bool,
    /// Whether there is a release to go back to.
    pub has_from: bool,
    /// Whether one agent is handed over to the next, both at once for a while.
    pub handover: bool,
    /// What becomes of stored data.
    pub data: Data,
}

/// What a transaction does to the data that outlives releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// It keeps its form.
    Untouched,
    /// It gets another one, and can get the old one again; or that is not asked for.
    Migrated,
    /// It gets another one, in which the release before must not run.
    OneWay,
}

/// What became of a phase's act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It was carried out.
    Done,
    /// It could not be, or its deadline passed.
    Failed,
    /// A caller asked the transaction to end, before it was carried out or after, and the `active`
    /// link has not moved. Where it has, that is a failure.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write this state down, then carry its act out.
    Enter(Phase, Direction),
    /// The transaction is over.
    End(Outcome),
}

/// Decides what follows an act.
pub const fn next(state: State, event: Event) -> Step {
    match state.kind {
        Kind::SelfUpdate => next_own(state.phase, event),
        Kind::Stage | Kind::Update | Kind::Rollback => next_app(state, event),
    }
}

const fn next_app(state: State, event: Event) -> Step {
    use Direction::{Back, Forward};
    match (state.direction, state.phase, event) {
        (Forward, Phase::Receiving, Event::Done) => Step::Enter(Phase::Verifying, Forward),
        (Forward, Phase::Verifying, Event::Done) => Step::Enter(Phase::Building, Forward),
        (Forward, Phase::Building, Event::Done) => Step::Enter(Phase::Staged, Forward),
        (Forward, Phase::Staged, Event::Done) => match state.kind {
            Kind::Stage => Step::End(Outcome::Staged),
            _ if changes(state.data) => Step::Enter(Phase::BackingUp, Forward),
            _ if state.handover => Step::Enter(Phase::Starting, Forward),
            _ => Step::Enter(Phase::Switching, Forward),
        },
        (Forward, Phase::BackingUp, Event::Done) => Step::Enter(Phase::Migrating, Forward),
        (Forward, Phase::Migrating | Phase::Starting, Event::Done) => {
            Step::Enter(Phase::Switching, Forward)
        }
        (Forward, Phase::Switching, Event::Done) => Step::Enter(after_flip(state), Forward),
        (way, Phase::Draining | Phase::Restarting, Event::Done) => Step::Enter(Phase::Probing, way),
        (Forward, Phase::Probing, Event::Done) if state.confirm => {
            Step::Enter(Phase::Confirming, Forward)
        }
        (Forward, Phase::Probing | Phase::Confirming, Event::Done) => {
            Step::Enter(Phase::Watching, Forward)
        }
        (Forward, Phase::Watching, Event::Done) => Step::End(proven(state.kind)),
        (Forward, phase, Event::Failed | Event::Stopped) if is_one_way(state.data, phase) => {
            Step::End(Outcome::Stranded)
        }
        // The old agent serves.
        (Forward, Phase::Starting, Event::Stopped) => Step::End(Outcome::Interrupted),
        (Forward, phase, Event::Failed | Event::Stopped) if after_switch(phase) => {
            Step::Enter(Phase::Reversing, Back)
        }
        (Back, Phase::Reversing, Event::Done) if changes(state.data) => {
            Step::Enter(Phase::Migrating, Back)
        }
        (Back, Phase::Reversing | Phase::Migrating, Event::Done) if state.has_from => {
            Step::Enter(start(state), Back)
        }
        (Back, Phase::Starting, Event::Done) => Step::Enter(Phase::Draining, Back),
        // Where nothing ran before, nothing has to be started or proven after reversing.
        (Back, Phase::Reversing | Phase::Migrating | Phase::Probing, Event::Done) => {
            Step::End(Outcome::RolledBack)
        }
        (Back, _, _) => Step::End(Outcome::Stranded),
        (Forward, _, _) => Step::End(Outcome::Interrupted),
    }
}

/// The phase in which an agent is started.
const fn start(state: State) -> Phase {
    if state.handover { Phase::Starting } else { Phase::Restarting }
}

/// The phase that follows the flip of the link.
const fn after_flip(state: State) -> Phase {
    if state.handover { Phase::Draining } else { Phase::Restarting }
}

const fn next_own(phase: Phase, event: Event) -> Step {
    use Direction::Forward;
    match (phase, event) {
        (Phase::Receiving, Event::Done) => Step::Enter(Phase::Verifying, Forward),
        (Phase::Verifying, Event::Done) => Step::Enter(Phase::Building, Forward),
        (Phase::Building, Event::Done) => Step::Enter(Phase::Staged, Forward),
        (Phase::Staged, Event::Done) => Step::Enter(Phase::Probing, Forward),
        (Phase::Probing, Event::Done) => Step::Enter(Phase::Switching, Forward),
        (Phase::Switching, Event::Done) => Step::End(Outcome::Updated),
        (_, _) => Step::End(Outcome::Interrupted),
    }
}

/// So many deaths of the host or the updater in one transaction, and its release is taken back: it may
/// be what they die of.
pub const DEATHS: u32 = 3;

/// What an updater finds that takes a journal over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recovered {
    /// The agent of the release that the transaction was going to still runs, on the same boot;
    /// in a handover, also beside the old one.
    pub target_runs: bool,
    /// The `active` link names that release.
    pub target_active: bool,
    /// How often the host or the updater has died since the transaction began.
    pub deaths: u32,
}

/// Decides where a transaction goes on that an earlier updater left in `state`.
pub const fn recover(state: State, found: Recovered) -> Step {
    use Direction::{Back, Forward};
    if matches!(state.kind, Kind::SelfUpdate) {
        // The link moved, or it did not; the updater that runs now was started from it.
        let moved = matches!(state.phase, Phase::Switching) && found.target_active;
        return Step::End(if moved { Outcome::Updated } else { Outcome::Interrupted });
    }
    if died_too_often(state, found.deaths) {
        return next(state, Event::Failed);
    }
    match (state.direction, state.phase) {
        // Reversing is idempotent, so the whole way back is gone again.
        (Back, _) => Step::Enter(Phase::Reversing, Back),
        (Forward, Phase::Staged) => match state.kind {
            Kind::Stage => Step::End(Outcome::Staged),
            _ => Step::End(Outcome::Interrupted),
        },
        // What has to be ready before the link moves is gone.
        (Forward, Phase::Switching) if state.handover && !found.target_runs => {
            Step::Enter(Phase::Starting, Forward)
        }
        // The commands of a migration bear being run again.
        (Forward, Phase::BackingUp | Phase::Migrating | Phase::Starting | Phase::Switching) => {
            Step::Enter(state.phase, Forward)
        }
        // The link went back already, and a full disk kept the journal from saying so.
        (Forward, phase) if after_switch(phase) && !found.target_active => {
            Step::Enter(Phase::Reversing, Back)
        }
        (Forward, Phase::Draining | Phase::Probing | Phase::Confirming | Phase::Watching)
            if found.target_runs =>
        {
            Step::Enter(state.phase, Forward)
        }
        (Forward, phase) if after_switch(phase) => Step::Enter(start(state), Forward),
        (Forward, _) => Step::End(Outcome::Interrupted),
    }
}

/// Whether so many deaths are the failure of a transaction. On the way back they are none: there is no
/// other way.
pub const fn died_too_often(state: State, deaths: u32) -> bool {
    deaths >= DEATHS && matches!(state.direction, Direction::Forward) && after_switch(state.phase)
}

const fn changes(data: Data) -> bool {
    !matches!(data, Data::Untouched)
}

/// Whether a migration that cannot be undone may have begun.
pub const fn is_one_way(data: Data, phase: Phase) -> bool {
    matches!(data, Data::OneWay) && after_switch(phase) && !matches!(phase, Phase::BackingUp)
}

/// Whether the agent may be stopped, the `active` link may already name the new release, or its agent
/// may run beside the old one: from here on the agent is in the transaction's hands, which finishes
/// or undoes what it began.
pub const fn after_switch(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::BackingUp
            | Phase::Migrating
            | Phase::Starting
            | Phase::Switching
            | Phase::Draining
            | Phase::Restarting
            | Phase::Probing
            | Phase::Confirming
            | Phase::Watching
            | Phase::Reversing
    )
}

const fn proven(kind: Kind) -> Outcome {
    match kind {
        Kind::Rollback => Outcome::RolledBack,
        _ => Outcome::Updated,
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
