//! The unit that is shipped is as confined as the manual says.

use std::path::Path;
use std::process::Command;

fn systemd() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd"))
}

/// Where `systemd-analyze` is missing, there is nothing to ask.
#[test]
fn the_unit_is_rated_under_three() {
    let unit = systemd().join("updater.service");
    let rated = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", "--threshold=29"])
        .arg(unit)
        .output();
    if let Ok(rated) = rated {
        let text = String::from_utf8_lossy(&rated.stdout);
        assert!(rated.status.success(), "{}", text.lines().last().unwrap_or_default());
    }
}

#[test]
fn lesson_19_to_stop_the_unit_leaves_the_agents_running() {
    let unit = std::fs::read_to_string(systemd().join("updater.service")).unwrap();
    let lines: Vec<&str> = unit.lines().collect();
    assert!(lines.contains(&"KillMode=process"));
    // An agent that outlives the updater would find its /tmp emptied.
    assert!(!lines.iter().any(|line| line.starts_with("PrivateTmp=yes")));
}

#[test]
fn what_forks_without_end_does_not_take_the_updaters_threads() {
    let unit = std::fs::read_to_string(systemd().join("updater.service")).unwrap();
    assert!(unit.lines().any(|line| line == "TasksMax=infinity"));
}

#[test]
fn every_drop_in_is_in_the_manual() {
    let manual = include_str!("../../docs/configuration.md");
    for entry in std::fs::read_dir(systemd().join("drop-ins")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(manual.contains(&format!("`{name}`")), "{name}");
    }
}
