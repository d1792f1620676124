//! What the table of states promises.

use std::collections::HashSet;

use super::*;

/// Without those of a handover.
const PHASES: [Phase; 12] = [
    Phase::Receiving,
    Phase::Verifying,
    Phase::Building,
    Phase::Staged,
    Phase::BackingUp,
    Phase::Migrating,
    Phase::Switching,
    Phase::Restarting,
    Phase::Probing,
    Phase::Confirming,
    Phase::Watching,
    Phase::Reversing,
];

fn start(kind: Kind, phase: Phase, confirm: bool, has_from: bool) -> State {
    let (direction, data) = (Direction::Forward, Data::Migrated);
    State { kind, phase, direction, confirm, has_from, handover: false, data }
}

fn handover(phase: Phase, direction: Direction) -> State {
    let data = Data::Untouched;
    State { handover: true, direction, data, ..start(Kind::Update, phase, false, true) }
}

const fn found(target_runs: bool, target_active: bool, deaths: u32) -> Recovered {
    Recovered { target_runs, target_active, deaths }
}

/// What is passed from a state on, if all goes well.
fn way(mut state: State) -> (Vec<Phase>, Outcome) {
    let mut seen = vec![state.phase];
    loop {
        match next(state, Event::Done) {
            Step::Enter(phase, direction) => state = State { phase, direction, ..state },
            Step::End(outcome) => return (seen, outcome),
        }
        seen.push(state.phase);
    }
}

/// Everything that can follow a state: an act done, an act failed, a crash and a recovery.
fn successors(state: State) -> Vec<Step> {
    vec![
        next(state, Event::Done),
        next(state, Event::Failed),
        recover(state, found(true, true, 0)),
        recover(state, found(false, true, 0)),
        recover(state, found(false, false, 0)),
        recover(state, found(true, true, DEATHS)),
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
                    Kind::Rollback => Phase::Staged,
                    _ => Phase::Receiving,
                };
                let first = start(kind, first, confirm, has_from);
                starts.push(State { handover: true, data: Data::Untouched, ..first });
                for data in [Data::Untouched, Data::Migrated, Data::OneWay] {
                    starts.push(State { data, ..first });
                }
            }
        }
    }
    starts
}

#[test]
fn an_update_that_goes_well_passes_every_phase_in_order() {
    let (seen, outcome) = way(start(Kind::Update, Phase::Receiving, true, true));
    assert_eq!(outcome, Outcome::Updated);
    assert_eq!(seen, PHASES[..11]);
}

#[test]
fn a_handover_is_ready_before_it_flips_and_flips_before_it_drains() {
    use Phase::{Draining, Probing, Reversing, Staged, Starting, Switching, Watching};
    let forward = way(handover(Staged, Direction::Forward));
    let phases = vec![Staged, Starting, Switching, Draining, Probing, Watching];
    assert_eq!(forward, (phases, Outcome::Updated));
    let back = way(handover(Reversing, Direction::Back));
    assert_eq!(back, (vec![Reversing, Starting, Draining, Probing], Outcome::RolledBack));
}

#[test]
fn a_new_agent_that_never_gets_ready_is_the_releases_failure_and_not_an_interruption() {
    let step = next(handover(Phase::Starting, Direction::Forward), Event::Failed);
    assert_eq!(step, Step::Enter(Phase::Reversing, Direction::Back));
}

#[test]
fn what_is_asked_to_stop_is_abandoned_before_the_switch_and_undone_after_it() {
    for phase in &PHASES[..9] {
        let step = next(start(Kind::Update, *phase, true, true), Event::Stopped);
        if after_switch(*phase) {
            assert_eq!(step, Step::Enter(Phase::Reversing, Direction::Back), "{phase}");
        } else {
            assert_eq!(step, Step::End(Outcome::Interrupted), "{phase}");
        }
    }
    // The link has not moved yet.
    let step = next(handover(Phase::Starting, Direction::Forward), Event::Stopped);
    assert_eq!(step, Step::End(Outcome::Interrupted));
}

#[test]
fn a_handover_whose_new_agent_is_gone_starts_it_anew_before_the_old_one_is_drained() {
    for phase in [Phase::Starting, Phase::Switching, Phase::Draining, Phase::Watching] {
        let found = found(false, true, 0);
        let step = recover(handover(phase, Direction::Forward), found);
        assert_eq!(step, Step::Enter(Phase::Starting, Direction::Forward), "{phase}");
    }
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
    for phase in &PHASES[4..11] {
        let state = start(Kind::Update, *phase, true, true);
        let step = Step::Enter(Phase::Reversing, Direction::Back);
        assert_eq!(next(state, Event::Failed), step, "{phase}");
    }
}

#[test]
fn what_cannot_be_undone_is_not_turned_around_once_it_has_begun() {
    let of = |phase| State { data: Data::OneWay, ..start(Kind::Update, phase, true, true) };
    let back = Step::Enter(Phase::Reversing, Direction::Back);
    assert_eq!(next(of(Phase::BackingUp), Event::Failed), back);
    for phase in &PHASES[5..11] {
        let step = next(of(*phase), Event::Failed);
        assert_eq!(step, Step::End(Outcome::Stranded), "{phase}");
    }
}

#[test]
fn data_goes_back_before_the_old_agent_is_started() {
    let of = |phase, data| State {
        direction: Direction::Back,
        data,
        ..start(Kind::Update, phase, false, true)
    };
    let enter = |phase| Step::Enter(phase, Direction::Back);
    let reversing = |data| next(of(Phase::Reversing, data), Event::Done);
    assert_eq!(reversing(Data::Migrated), enter(Phase::Migrating));
    assert_eq!(reversing(Data::Untouched), enter(Phase::Restarting));
    let migrating = of(Phase::Migrating, Data::Migrated);
    assert_eq!(next(migrating, Event::Done), enter(Phase::Restarting));
    assert_eq!(next(migrating, Event::Failed), Step::End(Outcome::Stranded));
}

#[test]
fn lesson_01_a_first_install_that_fails_ends_without_a_release() {
    let state = State {
        direction: Direction::Back,
        data: Data::Untouched,
        ..start(Kind::Update, Phase::Reversing, false, false)
    };
    assert_eq!(next(state, Event::Done), Step::End(Outcome::RolledBack));
}

#[test]
fn a_crash_before_the_switch_is_an_interruption() {
    for phase in &PHASES[..4] {
        let state = start(Kind::Update, *phase, false, true);
        let step = recover(state, found(false, false, 0));
        assert_eq!(step, Step::End(Outcome::Interrupted), "{phase}");
    }
}

#[test]
fn lesson_07_a_crash_after_the_switch_is_finished_and_never_forgotten() {
    for phase in &PHASES[4..11] {
        for target_runs in [true, false] {
            let state = start(Kind::Update, *phase, true, true);
            let step = recover(state, found(target_runs, true, 0));
            assert!(matches!(step, Step::Enter(_, Direction::Forward)), "{phase}: {step:?}");
        }
    }
}

#[test]
fn the_third_death_in_a_transaction_turns_it_around() {
    for phase in &PHASES[4..11] {
        let state = start(Kind::Update, *phase, true, true);
        for (target_runs, deaths) in [(true, DEATHS), (false, DEATHS), (true, DEATHS + 1)] {
            let step = recover(state, found(target_runs, true, deaths));
            assert_eq!(step, Step::Enter(Phase::Reversing, Direction::Back), "{phase}");
        }
        let step = recover(state, found(true, true, DEATHS - 1));
        assert!(matches!(step, Step::Enter(_, Direction::Forward)), "{phase}: {step:?}");
    }
    // What has not switched was never tried, and a way back has no other way.
    let staged = start(Kind::Stage, Phase::Staged, false, true);
    assert_eq!(recover(staged, found(false, false, DEATHS)), Step::End(Outcome::Staged));
    for phase in [Phase::Reversing, Phase::Restarting, Phase::Probing] {
        let back = State { direction: Direction::Back, ..start(Kind::Update, phase, false, true) };
        let step = recover(back, found(true, false, 100));
        assert_eq!(step, Step::Enter(Phase::Reversing, Direction::Back), "{phase}");
    }
    // Nor is there one from what cannot be undone.
    let one_way = State { data: Data::OneWay, ..start(Kind::Update, Phase::Watching, false, true) };
    assert_eq!(recover(one_way, found(true, true, DEATHS)), Step::End(Outcome::Stranded));
}

#[test]
fn a_way_back_that_was_not_written_down_is_gone_to_its_end() {
    for phase in &PHASES[7..11] {
        for target_runs in [true, false] {
            let state = start(Kind::Update, *phase, true, true);
            let step = recover(state, found(target_runs, false, 0));
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
                Outcome::Interrupted if state.phase == Phase::Starting => {}
                Outcome::Interrupted | Outcome::Staged => assert!(!after_switch(state.phase)),
                Outcome::Stranded => {
                    let one_way = is_one_way(state.data, state.phase);
                    assert!(one_way || state.direction == Direction::Back, "{state:?}");
                }
                Outcome::RolledBack => assert!(after_switch(state.phase)),
                Outcome::AlreadyCurrent => panic!("{state:?} cannot end so"),
            }
        }
        // Without a crash every step goes strictly forward, so every path ends.
        for state in states.iter().filter(|state| state.kind != Kind::SelfUpdate) {
            let state = *state;
            for event in [Event::Done, Event::Failed, Event::Stopped] {
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
