//! What keeps the units of an app from following each other. Pure, but for the looking.

use super::template_instance::TemplateInstance;
use crate::config::RunConfig;
use crate::systemd::{Bus, Load, SystemdError, Ties, UnitState, is_template, template_of};

/// Something that is not as a handover needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    pub unit: String,
    /// What, in words that follow its name.
    pub why: String,
}

/// The units that can be looked at: in place of each template, what is made from it.
fn units_to_look_at(config: &RunConfig) -> Vec<String> {
    let units = |unit: &String| {
        let made = TemplateInstance::BOTH.map(|side| side.unit(unit));
        if is_template(unit) { made.to_vec() } else { vec![unit.clone()] }
    };
    config.units.iter().flat_map(units).collect()
}

/// Asks systemd what keeps the units from a handover; nothing if that is empty. Blocks.
pub fn hindrances(config: &RunConfig, bus: &Bus) -> Result<Vec<Hindrance>, SystemdError> {
    let units = units_to_look_at(config);
    let seen = bus.ask(move |systemd| async move {
        let mut seen = Vec::new();
        for unit in units {
            let (state, ties) = (systemd.state(&unit).await?, systemd.ties(&unit).await?);
            seen.push((unit, state, ties));
        }
        Ok(seen)
    })?;
    Ok(judge(config, &seen))
}

fn judge(config: &RunConfig, seen: &[(String, UnitState, Ties)]) -> Vec<Hindrance> {
    let mut found = Vec::new();
    for (unit, state, ties) in seen {
        let may_be_shipped = [Some(unit.clone()), template_of(unit)]
            .iter()
            .flatten()
            .any(|file| config.unit_files.contains(file));
        let why = match state.unusable() {
            Some(_) if may_be_shipped && state.load != Load::Masked => None,
            Some(why) => Some(why),
            None if unit.ends_with(".socket") => of_socket(config, ties),
            None => of_service(config, ties),
        };
        found.extend(why.map(|why| Hindrance { unit: unit.clone(), why }));
    }
    found
}

fn of_socket(config: &RunConfig, ties: &Ties) -> Option<String> {
    if ties.accept {
        return Some("has Accept=yes: agents take connections themselves".to_owned());
    }
    let ours = units_to_look_at(config);
    let other = ties.triggers.iter().find(|unit| !ours.contains(unit))?;
    let own = ours.iter().find(|unit| unit.ends_with(".service"))?;
    Some(format!("would start {other}, which is not of this app: write Service={own} there"))
}

fn of_service(config: &RunConfig, ties: &Ties) -> Option<String> {
    let sockets: Vec<&String> =
        config.units.iter().filter(|unit| unit.ends_with(".socket")).collect();
    if sockets.iter().any(|socket| ties.triggered_by.contains(socket)) {
        return None;
    }
    let sockets: Vec<&str> = sockets.into_iter().map(String::as_str).collect();
    Some(format!("takes no socket: write Sockets={} there", sockets.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(load: &str, units: [Ties; 3]) -> Vec<(String, UnitState, Ties)> {
        let names = ["agent.socket", "agent@a.service", "agent@b.service"];
        let state = UnitState { load: load.to_owned().into(), ..UnitState::default() };
        let unit = |(name, ties): (&str, Ties)| (name.to_owned(), state.clone(), ties);
        names.into_iter().zip(units).map(unit).collect()
    }

    fn said(load: &str, unit_files: &[&str], units: [Ties; 3]) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let config = RunConfig {
            units: names(&["agent.socket", "agent@.service"]),
            unit_files: names(unit_files),
            ..RunConfig::default()
        };
        let found = judge(&config, &seen(load, units));
        found.iter().map(|one| format!("{} {}", one.unit, one.why)).collect()
    }

    fn triggers(units: &[&str]) -> Ties {
        let triggers = units.iter().map(|unit| (*unit).to_owned()).collect();
        Ties { triggers, ..Ties::default() }
    }

    fn taking() -> Ties {
        Ties { triggered_by: vec!["agent.socket".to_owned()], ..Ties::default() }
    }

    #[test]
    fn units_that_follow_each_other_have_no_hindrance() {
        let socket = triggers(&["agent@b.service", "agent@a.service"]);
        assert_eq!(said("loaded", &[], [socket, taking(), taking()]), Vec::<String>::new());
    }

    #[test]
    fn what_would_go_wrong_is_said_of_the_unit_that_it_is_about() {
        let accepts = Ties { accept: true, ..Ties::default() };
        let found = said("loaded", &[], [accepts, taking(), Ties::default()]);
        assert!(found[0].starts_with("agent.socket has Accept=yes"), "{found:?}");
        assert_eq!(found[1], "agent@b.service takes no socket: write Sockets=agent.socket there");
        let found = said("loaded", &[], [triggers(&["agent.service"]), taking(), taking()]);
        assert_eq!(
            found,
            ["agent.socket would start agent.service, which is not of this app: \
              write Service=agent@a.service there"]
        );
    }

    #[test]
    fn a_unit_file_that_a_release_may_ship_may_be_missing() {
        let none = || [Ties::default(), Ties::default(), Ties::default()];
        let found = said("not-found", &["agent@.service"], none());
        assert_eq!(found, ["agent.socket has no unit file"]);
        assert_eq!(said("masked", &["agent@.service"], none()).len(), 3);
    }
}
