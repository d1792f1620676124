//! In which order units are stopped. They are started in the order of the configuration. Pure.

/// What starts other units by itself.
const STARTERS: [&str; 3] = [".socket", ".timer", ".path"];

/// The units as they are to be stopped: first those that would start others again while these are
/// being stopped, then all in the reverse of their order.
pub(super) fn stop_order(units: &[String]) -> Vec<String> {
    let starts_others = |unit: &&String| STARTERS.iter().any(|suffix| unit.ends_with(suffix));
    let (first, then): (Vec<_>, Vec<_>) = units.iter().rev().partition(starts_others);
    first.into_iter().chain(then).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_others_stops_first_and_the_rest_in_reverse() {
        let units = ["a.socket", "a.service", "a-worker@1.service", "a.timer"];
        let units: Vec<String> = units.map(str::to_owned).into();
        let order = stop_order(&units);
        assert_eq!(order, ["a.timer", "a.socket", "a-worker@1.service", "a.service"]);
    }
}
