//! Unit files that a release ships: which a host takes, and what they say. Pure, but for the reading.
//!
//! What is in a unit file decides what runs on the host, and as whom: a release that ships one can be root.
//! So a host takes only those that its configuration names, and as they came in the archive. They go
//! into the release's record before its build begins: what runs as the app's user may have written to
//! the tree since, and nothing is ever taken from there again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use protocol::UnitsSection;

use crate::config::{RunConfig, RunnerKind};
use crate::release::{RecordError, read_record};
use crate::sys::fs::read_plain;
use crate::systemd::{is_unit_name, template_of};

/// Bytes of all unit files of a release, at most: its record holds them.
const ALL_BYTES: u64 = 256 << 10;
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

/// Reads the unit files that a release ships, by their names, out of a tree that the updater alone has
/// written to yet. An error comes with the path of the file that it is about.
pub fn read_units(
    tree: &Path,
    shipped: Option<&UnitsSection>,
) -> Result<BTreeMap<String, String>, (String, io::Error)> {
    let mut texts = BTreeMap::new();
    let mut left = ALL_BYTES;
    for (name, path) in shipped.iter().flat_map(|section| &section.files) {
        let text = read_plain(tree, path, left)
            .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
            .map_err(|error| (path.clone(), error))?;
        left -= text.len() as u64;
        texts.insert(name.clone(), text);
    }
    Ok(texts)
}

/// The texts of the unit files of a release, by their names, from its record. One that was kept before
/// records had them ships none.
pub(super) fn kept_units(release: &Path) -> Result<BTreeMap<String, String>, RecordError> {
    Ok(read_record(release)?.units)
}

/// Whether the file of a unit, or of the template that it is made from, is among these.
pub(super) fn is_among<'a>(files: impl Iterator<Item = &'a String>, unit: &str) -> bool {
    let template = template_of(unit);
    files.into_iter().any(|name| name == unit || Some(name) == template.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn unit_files_are_read_up_to_a_bound_and_through_no_link() {
        let tree = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(tree.path().join(name), bytes).unwrap();
        let read = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, path)| ((*name).into(), (*path).into()));
            read_units(tree.path(), Some(&UnitsSection { files: files.collect() }))
        };
        write("one", b"[Unit]\n");
        let half = usize::try_from(ALL_BYTES / 2).unwrap();
        write("half", &b"#".repeat(half));
        write("bytes", b"\xff");
        std::os::unix::fs::symlink("one", tree.path().join("link")).unwrap();
        assert_eq!(read_units(tree.path(), None).unwrap(), BTreeMap::new());
        assert_eq!(read(&[("a.service", "one")]).unwrap()["a.service"], "[Unit]\n");
        assert_eq!(read(&[("a.service", "half"), ("b.service", "half")]).unwrap().len(), 2);
        let too_much = [("a.service", "half"), ("b.service", "half"), ("c.service", "one")];
        assert_eq!(read(&too_much).unwrap_err().0, "one");
        for bad in ["link", "bytes", "none", "../one", "/etc/passwd", "."] {
            assert_eq!(read(&[("a.service", bad)]).unwrap_err().0, bad);
        }
    }
}
