//! What an updater that is started by hand says on its standard error.

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{LONG, Tree, eventually, host};

#[test]
fn an_update_is_ten_plain_lines_without_fields() -> Result<()> {
    let host = host()?;
    // It answers before it has said so.
    let before = eventually("its own beginning", LONG, || {
        let log = host.log();
        (log.contains("in charge of") && log.ends_with('\n')).then_some(log.len())
    })?;
    let release = Tree::healthy("one")?;
    host.push(&release)?.result()?;
    let log = eventually("the end of the story", LONG, || {
        let log = host.log().get(before..)?.to_owned();
        log.contains("update ended").then_some(log)
    })?;
    let short = release.digest.short();
    let expected = [
        format!("agent: update to {short} ordered by master; nothing is active"),
        format!("agent: received {short}: "),
        "agent: on the disk in ".to_owned(),
        format!("agent: switching from nothing to {short}"),
        "agent: started as process ".to_owned(),
        format!("agent: {short} is proven by its echo, in "),
        "agent: watching for ".to_owned(),
        "agent: update ended after ".to_owned(),
    ];
    let said: Vec<_> = log.lines().collect();
    ensure!(said.len() == expected.len(), "{log}");
    for (said, expected) in said.iter().zip(expected) {
        let (time, line) = said.split_once(' ').context("a time")?;
        ensure!(time.ends_with('Z'), "{said}");
        ensure!(line.trim_start().starts_with(&format!("INFO {expected}")), "{said}");
        ensure!(!line.contains("transaction"), "{said}");
    }
    Ok(())
}
