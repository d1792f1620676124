//! Unit files that a release ships: which a host takes, and what they say. Pure, but for the reading.
//!
//! What is in a unit file decides what runs on the host, and as whom: whoever ships one can be root.
//! So a host takes only those that its configuration names.

use std::collections::BTreeMap;
use std::io;

use protocol::UnitsSection;

use super::side::template_of;
use crate::config::{RunConfig, RunnerKind};
use crate::runner::{Launch, RunnerError};
use crate::sys::fs::read_plain;

/// Bytes of a unit file, at most.
const UNIT_BYTES: u64 = 64 << 10;
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

/// Whether this host takes the unit files of a release. The error says why not.
pub fn check_units(config: &RunConfig, shipped: Option<&UnitsSection>) -> Result<(), String> {
    let names = shipped.iter().flat_map(|section| section.files.keys());
    for name in names {
        if config.kind != RunnerKind::Systemd {
            return Err(format!("the release ships {name}, and this host runs it without units"));
        }
        if !is_unit_name(name) || !config.unit_files.contains(name) {
            return Err(format!(
                "the release ships {name}, which this host does not take: `unit_files` of the \
                 updater's configuration does not name it"
            ));
        }
    }
    Ok(())
}

/// Whether a release ships the file of a unit, or of the template that it is made from.
pub(super) fn is_shipped(launch: &Launch, unit: &str) -> bool {
    let names = [Some(unit.to_owned()), template_of(unit)];
    names.into_iter().flatten().any(|name| launch.units.contains_key(&name))
}

/// The texts of the unit files that a release ships.
pub(super) fn read_units(launch: &Launch) -> Result<BTreeMap<String, String>, RunnerError> {
    let mut texts = BTreeMap::new();
    for (name, path) in &launch.units {
        let text = read_plain(&launch.release_path, path, UNIT_BYTES)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        let text =
            text.map_err(|source| RunnerError::ReleaseUnit { path: path.clone(), source })?;
        texts.insert(name.clone(), text);
    }
    Ok(texts)
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
    fn a_host_takes_only_the_unit_files_that_it_names() {
        let section =
            |name: &str| UnitsSection { files: [(name.to_owned(), "units/a".to_owned())].into() };
        let mut config = RunConfig {
            kind: RunnerKind::Systemd,
            unit_files: vec!["agent.service".to_owned()],
            ..RunConfig::default()
        };
        assert_eq!(check_units(&config, None), Ok(()));
        assert_eq!(check_units(&config, Some(&section("agent.service"))), Ok(()));
        assert!(check_units(&config, Some(&section("ssh.service"))).is_err());
        config.kind = RunnerKind::Process;
        assert!(check_units(&config, Some(&section("agent.service"))).is_err());
    }
}
