//! Which processes are of an app's units, whichever way these were started.

use crate::sys::proc;

/// Whether a process is in the control group of one of these units, or of one that is made of one of these
/// templates.
pub(super) fn is_of_units(pid: u32, units: &[String]) -> bool {
    let groups = proc::control_groups(pid);
    groups
        .iter()
        .flat_map(|group| group.split('/'))
        .any(|part| units.iter().any(|unit| part == unit.as_str() || is_made_of(part, unit)))
}

/// `agent@a.service` is made of the template `agent@.service`.
fn is_made_of(unit: &str, template: &str) -> bool {
    let Some((name, kind)) = template.split_once("@.") else { return false };
    let instance = unit.strip_prefix(name).and_then(|rest| rest.strip_prefix('@'));
    instance.is_some_and(|rest| rest.strip_suffix(kind).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_made_of_its_own_template_and_of_no_namesake() {
        assert!(is_made_of("agent@a.service", "agent@.service"));
        for other in ["agent@a.socket", "agent2@a.service", "agent.service", "agent@service"] {
            assert!(!is_made_of(other, "agent@.service"), "{other}");
        }
        assert!(!is_made_of("agent.service", "agent.service"));
    }
}
