//! `swarm demo`: the whole story, in one command that leaves nothing behind.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result};
use fleet_tests::{Output, program};

fn left_in_temp() -> Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(std::env::temp_dir())?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("demo"))
        .collect())
}

#[test]
fn the_demo_shows_it_all_and_leaves_nothing_behind() -> Result<()> {
    let before = left_in_temp()?;
    let output = Output::of(Command::new(program("swarm")?).arg("demo"))?.good()?;
    let screen = format!("{}{}", output.stdout, output.stderr);
    for part in ["web-1", "rolled_back", "updated"] {
        assert!(screen.contains(part), "{part} is not shown: {screen}");
    }
    assert_eq!(left_in_temp()?, before);
    let lines = screen.lines().count();
    assert!(lines < 150, "{lines} lines: {screen}");
    let (_, more) = screen.split_once("Go on with:\n").context("what to do next")?;
    assert_eq!(
        more.lines().filter(|line| line.starts_with("  ") && line.contains("swarm ")).count(),
        3,
        "{more}"
    );
    Ok(())
}
