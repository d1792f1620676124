//! What the shipped unit has to say, whatever else changes in it. `tests/units.sh` rates it.

use std::path::Path;

fn systemd() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd"))
}

#[test]
fn lesson_19_to_stop_the_unit_leaves_the_agents_running() {
    let unit = std::fs::read_to_string(systemd().join("updater.service")).unwrap();
    let lines: Vec<&str> = unit.lines().collect();
    assert!(lines.contains(&"KillMode=process"));
}

#[test]
fn what_forks_without_end_does_not_take_the_updaters_threads() {
    let unit = std::fs::read_to_string(systemd().join("updater.service")).unwrap();
    assert!(unit.lines().any(|line| line == "TasksMax=infinity"));
}

#[test]
fn the_unit_leaves_the_calls_that_a_release_is_written_with() {
    let unit = std::fs::read_to_string(systemd().join("updater.service")).unwrap();
    assert!(!unit.lines().any(|line| line.starts_with("RestrictSUIDSGID=")), "it forbids openat2");
}

#[test]
fn every_drop_in_is_in_the_manual() {
    let manual = include_str!("../../docs/configuration.md");
    for entry in std::fs::read_dir(systemd().join("drop-ins")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manual.contains(&format!("`{name}`")), "{name}");
    }
}
