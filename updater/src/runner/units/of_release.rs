//! Which units are an agent of a release: those that the configuration names, and those that the release
//! ships. Pure.

use std::collections::BTreeMap;

use super::shipped::is_among;
use crate::config::RunConfig;
use crate::systemd::{Load, UnitState, is_template};

/// Kinds of units that run or start something; of the others a unit file is enough.
const STARTED: [&str; 4] = [".service", ".socket", ".timer", ".path"];

/// What the configuration says of an app's units.
#[derive(Debug, Clone)]
pub(super) struct NamedUnits {
    /// Those that are started.
    pub(super) units: Vec<String>,
    /// Unit files that a release may ship.
    pub(super) unit_files: Vec<String>,
}

impl NamedUnits {
    pub(super) fn new(config: &RunConfig) -> Self {
        Self { units: config.units.clone(), unit_files: config.unit_files.clone() }
    }

    /// All that may be started for a release that ships these files: what the configuration names, in its
    /// order, and then what the release adds.
    pub(super) fn of_release(&self, shipped: &BTreeMap<String, String>) -> Vec<String> {
        let is_started = |unit: &&String| {
            let kind = STARTED.iter().any(|kind| unit.ends_with(kind));
            kind && !is_template(unit) && !self.units.contains(unit)
        };
        let added = shipped.keys().filter(is_started);
        self.units.iter().chain(added).cloned().collect()
    }

    /// Those of them that are. One that another release ships has no file with this one; and what does its work
    /// and ends is started by what wants it, unless the configuration names it.
    pub(super) fn to_start(
        &self,
        shipped: &BTreeMap<String, String>,
        states: Vec<(String, UnitState)>,
    ) -> Vec<String> {
        let is_one = |unit: &String, state: &UnitState| {
            let named = self.units.contains(unit);
            !self.is_of_another_release(unit, state, shipped) && (named || !state.is_oneshot())
        };
        let started = states.into_iter().filter(|(unit, state)| is_one(unit, state));
        started.map(|(unit, _)| unit).collect()
    }

    /// Whether there is no such unit because another release would ship it.
    pub(super) fn is_of_another_release(
        &self,
        unit: &str,
        state: &UnitState,
        shipped: &BTreeMap<String, String>,
    ) -> bool {
        let may_be_shipped = is_among(self.unit_files.iter(), unit);
        state.load == Load::Missing && may_be_shipped && !is_among(shipped.keys(), unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(units: &[&str], unit_files: &[&str]) -> NamedUnits {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        NamedUnits { units: list(units), unit_files: list(unit_files) }
    }

    fn shipped(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), String::new())).collect()
    }

    fn found(unit: &str, load: &str, kind: &str) -> (String, UnitState) {
        let (load, kind) = (load.to_owned().into(), kind.to_owned());
        (unit.to_owned(), UnitState { load, kind, ..UnitState::default() })
    }

    #[test]
    fn a_release_adds_units_behind_those_that_the_configuration_names() {
        let named = named(&["z.service", "a@1.service"], &[]);
        let adds = ["b.service", "a.timer", "a@.service", "z.service", "c.slice", "d.mount"];
        let all = named.of_release(&shipped(&adds));
        assert_eq!(all, ["z.service", "a@1.service", "a.timer", "b.service"]);
        assert_eq!(named.of_release(&shipped(&[])), ["z.service", "a@1.service"]);
    }

    #[test]
    fn what_only_another_release_ships_is_not_started() {
        let named = named(
            &["a.service", "b.service", "w@1.service", "host.service"],
            &["b.service", "w@.service", "job.service"],
        );
        let states = |names: &[(&str, &str)]| {
            names.iter().map(|(unit, load)| found(unit, load, "simple")).collect()
        };
        let without = states(&[
            ("a.service", "loaded"),
            ("b.service", "not-found"),
            ("w@1.service", "not-found"),
            ("host.service", "not-found"),
        ]);
        // That the host has lost one of its own is no reason to do without it.
        assert_eq!(named.to_start(&shipped(&[]), without), ["a.service", "host.service"]);
        // What the release ships has to be there.
        let unread = states(&[("b.service", "not-found"), ("w@1.service", "not-found")]);
        let both = named.to_start(&shipped(&["b.service", "w@.service"]), unread);
        assert_eq!(both, ["b.service", "w@1.service"]);
    }

    #[test]
    fn what_does_its_work_and_ends_is_started_only_where_it_is_named() {
        let named = named(&["a.service", "migrate.service"], &["job.service", "b.service"]);
        let ships = shipped(&["job.service", "b.service"]);
        let states = vec![
            found("a.service", "loaded", "simple"),
            found("migrate.service", "loaded", "oneshot"),
            found("b.service", "loaded", "notify"),
            found("job.service", "loaded", "oneshot"),
        ];
        let started = named.to_start(&ships, states);
        assert_eq!(started, ["a.service", "migrate.service", "b.service"]);
    }
}
