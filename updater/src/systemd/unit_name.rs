//! Names of units: which text is one, and which is a template's. Nothing here asks systemd.

/// Where an administrator's unit files are.
pub const UNIT_DIRECTORY: &str = "/etc/systemd/system";

/// The updater's own unit, as packages and `make install` name it.
pub const OWN_SERVICE: &str = "updater.service";

/// Kinds of units that there are files of (systemd.unit(5)).
const KINDS: [&str; 9] =
    ["service", "socket", "target", "timer", "path", "slice", "mount", "automount", "swap"];

/// Whether a text is the name of a unit: it has no slash in it, so it can be the name of a file.
pub fn is_unit_name(name: &str) -> bool {
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let whole = !stem.is_empty() && !stem.starts_with('.') && name.len() <= 255;
    whole && stem.chars().all(plain) && KINDS.contains(&kind)
}

/// Whether a unit's name is that of a template: `agent@.service`.
pub fn is_template(unit: &str) -> bool {
    unit.contains("@.")
}

/// The template that a unit is made from, if it is: `agent@.service` of `agent@a.service`.
pub fn template_of(unit: &str) -> Option<String> {
    let (stem, rest) = unit.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{stem}@.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_unit_is_no_path() {
        for good in ["agent.service", "agent@1.service", "a-b_c.socket", "x\\x2dy.mount"] {
            assert!(is_unit_name(good), "{good}");
        }
        for bad in [
            "agent",
            "../a.service",
            "a/b.service",
            ".service",
            "..service",
            "a b.service",
            "a.service.d",
            "a.conf",
            "",
        ] {
            assert!(!is_unit_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_unit_knows_its_template() {
        assert_eq!(template_of("agent@a.service").unwrap(), "agent@.service");
        assert_eq!(template_of("agent@x.y.service").unwrap(), "agent@.service");
        assert_eq!(template_of("agent.service"), None);
        assert!(is_template("agent@.service") && !is_template("agent@a.service"));
    }
}
