//! The transaction's state machine, as data and functions.
//!
//! It decides what comes next, and nothing else: no I/O, no clock. The engine carries a phase's
//! act out, tells what became of it, and asks for the next step. A transaction goes forward
//! through the phases in their order; from any after the switch it may turn around once, and then
//! only goes back.
//!
//! ```text
//! receiving → verifying → building → staged → switching → restarting → probing
//!                                                         [→ confirming] → watching → the end
//! switching … watching  ─failed→  reversing → restarting → probing → the end
//! ```
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
}

/// What became of a phase's act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It was carried out.
    Done,
    /// It could not be, or its deadline passed.
    Failed,
}

/// What comes next.
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
            _ => Step::Enter(Phase::Switching, Forward),
        },
        (Forward, Phase::Switching, Event::Done) => Step::Enter(Phase::Restarting, Forward),
        (Forward, Phase::Restarting, Event::Done) => Step::Enter(Phase::Probing, Forward),
        (Forward, Phase::Probing, Event::Done) if state.confirm => {
            Step::Enter(Phase::Confirming, Forward)
        }
        (Forward, Phase::Probing | Phase::Confirming, Event::Done) => {
            Step::Enter(Phase::Watching, Forward)
        }
        (Forward, Phase::Watching, Event::Done) => Step::End(proven(state.kind)),
        (Forward, phase, Event::Failed) if after_switch(phase) => {
            Step::Enter(Phase::Reversing, Back)
        }
        (Back, Phase::Reversing, Event::Done) if state.has_from => {
            Step::Enter(Phase::Restarting, Back)
        }
        (Back, Phase::Restarting, Event::Done) => Step::Enter(Phase::Probing, Back),
        // Where nothing ran before, nothing has to be started or proven after reversing.
        (Back, Phase::Reversing | Phase::Probing, Event::Done) => Step::End(Outcome::RolledBack),
        (Back, _, _) => Step::End(Outcome::Stranded),
        (Forward, _, _) => Step::End(Outcome::Interrupted),
    }
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

/// What is found of the agent when an updater takes a journal over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Found {
    /// The agent of the release that the transaction was going to still runs, on the same boot.
    pub target_runs: bool,
    /// The `active` link names that release.
    pub target_active: bool,
}

/// Decides where a transaction goes on that an earlier updater left in `state`.
pub const fn recover(state: State, found: Found) -> Step {
    use Direction::{Back, Forward};
    if matches!(state.kind, Kind::SelfUpdate) {
        // The link moved, or it did not; whoever runs now was started from it.
        let moved = matches!(state.phase, Phase::Switching) && found.target_active;
        return Step::End(if moved { Outcome::Updated } else { Outcome::Interrupted });
    }
    match (state.direction, state.phase) {
        // Reversing is idempotent, so the whole way back is gone again.
        (Back, _) => Step::Enter(Phase::Reversing, Back),
        (Forward, Phase::Staged) => match state.kind {
            Kind::Stage => Step::End(Outcome::Staged),
            _ => Step::End(Outcome::Interrupted),
        },
        (Forward, Phase::Switching) => Step::Enter(Phase::Switching, Forward),
        // The link went back already, and a full disk kept the journal from saying so.
        (Forward, phase) if after_switch(phase) && !found.target_active => {
            Step::Enter(Phase::Reversing, Back)
        }
        (Forward, Phase::Probing | Phase::Confirming | Phase::Watching) if found.target_runs => {
            Step::Enter(state.phase, Forward)
        }
        (Forward, phase) if after_switch(phase) => Step::Enter(Phase::Restarting, Forward),
        (Forward, _) => Step::End(Outcome::Interrupted),
    }
}

/// Whether the `active` link may already name the new release.
pub const fn after_switch(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Switching
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
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PHASES: [Phase; 10] = [
        Phase::Receiving,
        Phase::Verifying,
        Phase::Building,
        Phase::Staged,
        Phase::Switching,
        Phase::Restarting,
        Phase::Probing,
        Phase::Confirming,
        Phase::Watching,
        Phase::Reversing,
    ];

    fn start(kind: Kind, phase: Phase, confirm: bool, has_from: bool) -> State {
        State { kind, phase, direction: Direction::Forward, confirm, has_from }
    }

    /// Everything that can follow a state: an act done, an act failed, a crash and a recovery.
    fn successors(state: State) -> Vec<Step> {
        vec![
            next(state, Event::Done),
            next(state, Event::Failed),
            recover(state, Found { target_runs: true, target_active: true }),
            recover(state, Found { target_runs: false, target_active: true }),
            recover(state, Found { target_runs: false, target_active: false }),
        ]
    }

    fn reachable(first: State) -> (HashSet<State>, HashSet<(State, Outcome)>) {
        let (mut states, mut ends, mut open) = (HashSet::new(), HashSet::new(), vec![first]);
        while let Some(state) = open.pop() {
            if !states.insert(state) {
                continue;
            }
            for step in successors(state) {
                match step {
                    Step::Enter(phase, direction) => open.push(State { phase, direction, ..state }),
                    Step::End(outcome) => {
                        ends.insert((state, outcome));
                    }
                }
            }
        }
        (states, ends)
    }

    fn all_starts() -> Vec<State> {
        let mut starts = Vec::new();
        for kind in [Kind::Stage, Kind::Update, Kind::Rollback, Kind::SelfUpdate] {
            for confirm in [false, true] {
                for has_from in [false, true] {
                    let first = match kind {
                        Kind::Rollback => Phase::Switching,
                        _ => Phase::Receiving,
                    };
                    starts.push(start(kind, first, confirm, has_from));
                }
            }
        }
        starts
    }

    #[test]
    fn an_update_that_goes_well_passes_every_phase_in_order() {
        let mut state = start(Kind::Update, Phase::Receiving, true, true);
        let mut seen = vec![state.phase];
        let outcome = loop {
            match next(state, Event::Done) {
                Step::Enter(phase, direction) => state = State { phase, direction, ..state },
                Step::End(outcome) => break outcome,
            }
            seen.push(state.phase);
        };
        assert_eq!(outcome, Outcome::Updated);
        assert_eq!(seen, PHASES[..9]);
    }

    #[test]
    fn lesson_21_a_new_updater_is_proven_before_the_link_moves() {
        let state = start(Kind::SelfUpdate, Phase::Probing, false, true);
        assert_eq!(next(state, Event::Failed), Step::End(Outcome::Interrupted));
        let step = Step::Enter(Phase::Switching, Direction::Forward);
        assert_eq!(next(state, Event::Done), step);
    }

    #[test]
    fn a_failure_before_the_switch_touches_nothing() {
        for phase in &PHASES[..4] {
            let state = start(Kind::Update, *phase, false, true);
            assert_eq!(next(state, Event::Failed), Step::End(Outcome::Interrupted), "{phase}");
        }
    }

    #[test]
    fn lesson_05_any_failure_after_the_switch_turns_around() {
        for phase in &PHASES[4..9] {
            let state = start(Kind::Update, *phase, true, true);
            let step = Step::Enter(Phase::Reversing, Direction::Back);
            assert_eq!(next(state, Event::Failed), step, "{phase}");
        }
    }

    #[test]
    fn lesson_01_a_first_install_that_fails_ends_without_a_release() {
        let state = State {
            direction: Direction::Back,
            ..start(Kind::Update, Phase::Reversing, false, false)
        };
        assert_eq!(next(state, Event::Done), Step::End(Outcome::RolledBack));
    }

    #[test]
    fn a_crash_before_the_switch_is_an_interruption() {
        for phase in &PHASES[..4] {
            let state = start(Kind::Update, *phase, false, true);
            let step = recover(state, Found { target_runs: false, target_active: false });
            assert_eq!(step, Step::End(Outcome::Interrupted), "{phase}");
        }
    }

    #[test]
    fn lesson_07_a_crash_after_the_switch_is_finished_and_never_forgotten() {
        for phase in &PHASES[4..9] {
            for target_runs in [true, false] {
                let state = start(Kind::Update, *phase, true, true);
                let step = recover(state, Found { target_runs, target_active: true });
                assert!(matches!(step, Step::Enter(_, Direction::Forward)), "{phase}: {step:?}");
            }
        }
    }

    #[test]
    fn a_way_back_that_was_not_written_down_is_gone_to_its_end() {
        for phase in &PHASES[5..9] {
            for target_runs in [true, false] {
                let state = start(Kind::Update, *phase, true, true);
                let step = recover(state, Found { target_runs, target_active: false });
                assert_eq!(step, Step::Enter(Phase::Reversing, Direction::Back), "{phase}");
            }
        }
    }

    #[test]
    fn a_transaction_that_turned_around_never_goes_forward_again() {
        for first in all_starts() {
            for state in reachable(first).0 {
                if state.direction == Direction::Back {
                    for step in successors(state) {
                        assert!(!matches!(step, Step::Enter(_, Direction::Forward)), "{state:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_path_can_end_and_no_outcome_lies() {
        for first in all_starts() {
            let (states, ends) = reachable(first);
            assert!(!ends.is_empty());
            for (state, outcome) in &ends {
                match outcome {
                    _ if state.kind == Kind::SelfUpdate => {
                        let last = state.phase == Phase::Switching;
                        assert!(last || *outcome == Outcome::Interrupted, "{state:?}");
                    }
                    Outcome::Updated => assert_eq!(state.phase, Phase::Watching),
                    Outcome::Interrupted | Outcome::Staged => assert!(!after_switch(state.phase)),
                    Outcome::Stranded => assert_eq!(state.direction, Direction::Back),
                    Outcome::RolledBack => assert!(after_switch(state.phase)),
                    Outcome::AlreadyCurrent => panic!("{state:?} cannot end so"),
                }
            }
            // Without a crash every step goes strictly forward, so every path ends.
            for state in states.iter().filter(|state| state.kind != Kind::SelfUpdate) {
                let state = *state;
                for event in [Event::Done, Event::Failed] {
                    if let Step::Enter(phase, direction) = next(state, event) {
                        let turned = direction != state.direction;
                        let onward = phase > state.phase
                            || (state.phase == Phase::Reversing && phase < state.phase);
                        assert!(turned || onward, "{state:?} {event:?}");
                    }
                }
            }
        }
    }
}
