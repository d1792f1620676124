//! A unit as it was started, and whether it still is so. Pure.

use serde::{Deserialize, Serialize};

use crate::systemd::UnitState;

/// One unit of one start of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(in crate::runner) name: String,
    /// Which of its starts this is: systemd makes up a new one each time.
    invocation: String,
    /// How often systemd had started it again by itself.
    restarts: u32,
    /// Where its processes are; empty if there are none.
    pub(in crate::runner) control_group: String,
    /// It does its work and ends, so that it is not up.
    oneshot: bool,
}

/// Why no process could prove to be of a release: all services among these units do their work and end. What
/// is not loaded may be another kind when it is.
pub fn none_stays<'a>(units: impl Iterator<Item = (&'a str, &'a UnitState)>) -> Option<String> {
    let services: Vec<_> = units.filter(|(unit, _)| unit.ends_with(".service")).collect();
    let all_end = services.iter().all(|(_, state)| state.is_oneshot());
    let (unit, _) = services.first().filter(|_| all_end)?;
    Some(format!(
        "has no process that stays, as {unit} is Type=oneshot: an agent takes a service that runs on"
    ))
}

/// Why these units cannot be told to follow a release: none of the services has a command for it.
pub fn none_reloads<'a>(units: impl Iterator<Item = (&'a str, &'a UnitState)>) -> Option<String> {
    let services: Vec<_> = units.filter(|(unit, _)| unit.ends_with(".service")).collect();
    let none = services.iter().all(|(_, state)| !state.can_reload);
    let (unit, _) = services.first().filter(|_| none)?;
    Some(format!("cannot be reloaded: {unit} has no ExecReload="))
}

impl Started {
    /// A unit that is up now, or has done what it is for; else how it stands.
    pub(super) fn take(name: &str, state: &UnitState) -> Result<Self, String> {
        let oneshot = state.is_oneshot() && !state.is_active() && state.active != "failed";
        if !oneshot && !state.is_active() {
            return Err(state.describe());
        }
        Ok(Self {
            name: name.to_owned(),
            invocation: state.invocation.clone(),
            restarts: state.restarts,
            control_group: state.control_group.clone(),
            oneshot,
        })
    }

    /// Whether systemd had to start it again since it was told to.
    pub(super) fn restarted(&self) -> bool {
        self.restarts > 0
    }

    /// What is amiss with it now. A unit that runs again is not the
    /// one that was started, though it may look alive nine times out of ten.
    pub(super) fn amiss(&self, now: &UnitState) -> Option<Amiss> {
        let by_itself = |how: String| Some(Amiss { how, by_order: false });
        let by_order = |how: &str| Some(Amiss { how: how.to_owned(), by_order: true });
        if self.oneshot {
            return if now.active == "failed" { by_itself(now.describe()) } else { None };
        }
        if now.was_stopped() {
            return by_order("was stopped by something else on this host");
        }
        if !now.is_active() {
            return by_itself(now.describe());
        }
        if now.invocation == self.invocation && now.restarts == self.restarts {
            return None;
        }
        // What systemd starts by itself it counts; an order begins to count anew.
        match now.restarts {
            0 => by_order("was started again by something else on this host"),
            _ => by_itself("was started again by systemd".to_owned()),
        }
    }
}

/// How a unit is not as it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runner) struct Amiss {
    /// In words that follow its name.
    pub(in crate::runner) how: String,
    /// Whether something else ordered it, which says nothing of the release.
    pub(in crate::runner) by_order: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(active: &str, invocation: &str, restarts: u32) -> UnitState {
        let (active, invocation) = (active.to_owned(), invocation.to_owned());
        UnitState { active, invocation, restarts, ..UnitState::default() }
    }

    #[test]
    fn a_unit_that_was_started_again_is_not_the_same() {
        let started = Started::take("a.service", &state("active", "one", 0)).unwrap();
        assert_eq!(started.amiss(&state("active", "one", 0)), None);
        assert_eq!(started.amiss(&state("reloading", "one", 0)), None);
        for other in [
            state("active", "two", 0),
            state("active", "one", 1),
            state("activating", "one", 0),
            state("failed", "one", 0),
        ] {
            assert!(started.amiss(&other).is_some(), "{other:?}");
        }
    }

    #[test]
    fn what_was_ordered_is_told_from_what_happened() {
        let started = Started::take("a.service", &state("active", "one", 0)).unwrap();
        let by_order = |now: &UnitState| started.amiss(now).unwrap().by_order;
        assert!(by_order(&state("active", "two", 0)));
        assert!(!by_order(&state("active", "two", 1)));
        let result = "success".to_owned();
        let ended = UnitState { result, ..state("inactive", "one", 0) };
        assert!(!by_order(&ended));
        assert!(by_order(&UnitState { was_told_to_end: true, ..ended.clone() }));
        let hung = UnitState { result: "watchdog".to_owned(), was_told_to_end: true, ..ended };
        assert!(!by_order(&hung));
    }

    #[test]
    fn units_of_which_none_stays_are_no_agent() {
        let kind = |kind: &str| UnitState { kind: kind.to_owned(), ..UnitState::default() };
        let (oneshot, simple) = (kind("oneshot"), kind("simple"));
        let timer = UnitState::default();
        let why = none_stays([("a.timer", &timer), ("a.service", &oneshot)].into_iter()).unwrap();
        assert!(why.contains("a.service is Type=oneshot"), "{why}");
        assert_eq!(none_stays([("a.service", &oneshot), ("b.service", &simple)].into_iter()), None);
        assert_eq!(none_stays([("a.timer", &timer)].into_iter()), None);
    }

    #[test]
    fn a_service_that_has_no_command_for_it_cannot_be_reloaded() {
        let able = |can_reload| UnitState { can_reload, ..UnitState::default() };
        let why = none_reloads([("a.service", &able(false))].into_iter()).unwrap();
        assert!(why.contains("ExecReload="), "{why}");
        let both = [("a.service", &able(false)), ("b.service", &able(true))];
        assert_eq!(none_reloads(both.into_iter()), None);
    }

    #[test]
    fn what_does_its_work_and_ends_is_not_expected_to_be_up() {
        let oneshot = |active| UnitState { kind: "oneshot".to_owned(), ..state(active, "one", 0) };
        let started = Started::take("a.service", &oneshot("inactive")).unwrap();
        assert_eq!(started.amiss(&oneshot("inactive")), None);
        assert!(started.amiss(&oneshot("failed")).is_some());
        assert!(Started::take("a.service", &oneshot("failed")).is_err());
        assert!(Started::take("a.service", &state("inactive", "one", 0)).is_err());
        let remains = Started::take("a.service", &oneshot("active")).unwrap();
        assert!(remains.amiss(&oneshot("inactive")).is_some());
    }
}
