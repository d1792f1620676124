//! A sample of `make crash`: the updater is disturbed at its calls on the file system.

use std::process::Command;

use anyhow::{Result, ensure};
use fleet_tests::program;

#[test]
fn an_updater_disturbed_at_any_call_leaves_a_whole_host() -> Result<()> {
    disturbed(&["--sample", "50", "--seed", "1"]).map(drop)
}

/// A host that has no descriptor left does not know that a release is damaged, nor how it is started.
#[test]
fn a_release_that_cannot_be_read_for_want_of_a_descriptor_is_not_damaged() -> Result<()> {
    let releases = "install/releases/store/DIGEST";
    let read = format!("tokio-rt-worker:openat2:{releases}/bin/agent:1");
    let started = format!("update-agent:openat2:{releases}/release.toml:1");
    for (scenario, call) in [("rollback", read), ("update", started)] {
        let table = disturbed(&["--fault", "emfile", "--scenario", scenario, "--at", &call])?;
        ensure!(!table.contains("not reached"), "{call}: {table}");
    }
    Ok(())
}

fn disturbed(how: &[&str]) -> Result<String> {
    let output = Command::new(program("crash")?).args(how).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{told}\n{table}");
    Ok(table)
}
