//! What keeps the units of an app from following each other. Pure, but for the looking.

use super::template_instance::TemplateInstance;
use crate::config::RunConfig;
use crate::systemd::{Activation, Bus, Load, SystemdError, UnitState, is_template, template_of};

/// Something that is not as a handover needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandoverObstacle {
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

/// Asks systemd what keeps the units from a handover; if that is empty, nothing does. Blocks.
pub fn handover_obstacles(
    config: &RunConfig,
    bus: &Bus,
) -> Result<Vec<HandoverObstacle>, SystemdError> {
    let units = units_to_look_at(config);
    let seen = bus.ask(move |systemd| async move {
        let mut seen = Vec::new();
        for unit in units {
            let (state, activation) =
                (systemd.state(&unit).await?, systemd.activation(&unit).await?);
            seen.push((unit, state, activation));
        }
        Ok(seen)
    })?;
    Ok(judge(config, &seen))
}

fn judge(config: &RunConfig, seen: &[(String, UnitState, Activation)]) -> Vec<HandoverObstacle> {
    let mut found = Vec::new();
    for (unit, state, activation) in seen {
        let may_be_shipped = [Some(unit.clone()), template_of(unit)]
            .iter()
            .flatten()
            .any(|file| config.unit_files.contains(file));
        let why = match state.unusable() {
            Some(_) if may_be_shipped && state.load != Load::Masked => None,
            Some(why) => Some(why),
            None if unit.ends_with(".socket") => of_socket(config, activation),
            None => of_service(config, activation),
        };
        found.extend(why.map(|why| HandoverObstacle { unit: unit.clone(), why }));
    }
    found
}

fn of_socket(config: &RunConfig, activation: &Activation) -> Option<String> {
    if activation.accept {
        return Some("has Accept=yes: agents take connections themselves".to_owned());
    }
    let ours = units_to_look_at(config);
    let other = activation.triggers.iter().find(|unit| !ours.contains(unit))?;
    let own = ours.iter().find(|unit| unit.ends_with(".service"))?;
    Some(format!("would start {other}, which is not of this app: write Service={own} there"))
}

fn of_service(config: &RunConfig, activation: &Activation) -> Option<String> {
    let sockets: Vec<&String> =
        config.units.iter().filter(|unit| unit.ends_with(".socket")).collect();
    if sockets.iter().any(|socket| activation.triggered_by.contains(socket)) {
        return None;
    }
    let sockets: Vec<&str> = sockets.into_iter().map(String::as_str).collect();
    Some(format!("takes no socket: write Sockets={} there", sockets.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(load: &str, units: [Activation; 3]) -> Vec<(String, UnitState, Activation)> {
        let names = ["agent.socket", "agent@a.service", "agent@b.service"];
        let state = UnitState { load: load.to_owned().into(), ..UnitState::default() };
        let unit =
            |(name, activation): (&str, Activation)| (name.to_owned(), state.clone(), activation);
        names.into_iter().zip(units).map(unit).collect()
    }

    fn said(load: &str, unit_files: &[&str], units: [Activation; 3]) -> Vec<String> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let config = RunConfig {
            units: names(&["agent.socket", "agent@.service"]),
            unit_files: names(unit_files),
            ..RunConfig::default()
        };
        let found = judge(&config, &seen(load, units));
        found.iter().map(|one| format!("{} {}", one.unit, one.why)).collect()
    }

    fn triggers(units: &[&str]) -> Activation {
        let triggers = units.iter().map(|unit| (*unit).to_owned()).collect();
        Activation { triggers, ..Activation::default() }
    }

    fn taking() -> Activation {
        Activation { triggered_by: vec!["agent.socket".to_owned()], ..Activation::default() }
    }

    #[test]
    fn units_that_follow_each_other_have_no_obstacle() {
        let socket = triggers(&["agent@b.service", "agent@a.service"]);
        assert_eq!(said("loaded", &[], [socket, taking(), taking()]), Vec::<String>::new());
    }

    #[test]
    fn what_would_go_wrong_is_said_of_the_unit_that_it_is_about() {
        let accepts = Activation { accept: true, ..Activation::default() };
        let found = said("loaded", &[], [accepts, taking(), Activation::default()]);
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
        let none = || [Activation::default(), Activation::default(), Activation::default()];
        let found = said("not-found", &["agent@.service"], none());
        assert_eq!(found, ["agent.socket has no unit file"]);
        assert_eq!(said("masked", &["agent@.service"], none()).len(), 3);
    }
}
