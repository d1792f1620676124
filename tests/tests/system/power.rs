//! The power goes, at calls all over an update, on the file systems that hosts have.
//!
//! This mounts disks of its own, which takes root. For anyone else it fails and says so: what was
//! not tried has not been shown.

use std::process::{Command, Output};

use anyhow::{Result, ensure};
use fleet_tests::program;

fn crash(arguments: &[&str]) -> Result<(Output, String)> {
    let output = Command::new(program("crash")?).args(arguments).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stderr) + &text(&output.stdout);
    ensure!(!told.contains("LEFT OUT"), "{told}");
    Ok((output, told))
}

#[test]
fn lesson_12_what_was_reported_is_on_the_disk_when_the_power_goes() -> Result<()> {
    for fault in ["power-ext4", "power-xfs"] {
        let (output, told) = crash(&["--fault", fault, "--sample", "10"])?;
        ensure!(output.status.success(), "{told}");
    }
    Ok(())
}

/// A missing sync of the tree, of a file or of a directory is found.
#[test]
fn lesson_12_a_sync_that_is_left_out_is_found_out() -> Result<()> {
    let update = ["--scenario", "update", "--fault", "power-ext4"];
    let late = "update-agent:unlink:state/apps/agent/journal.json:1";
    for (lie, point) in [("file-systems", late), ("files", late)] {
        let (output, told) = crash(&[&update[..], &["--lie", lie, "--at", point]].concat())?;
        let found = !output.status.success() && told.contains("LOST: update");
        ensure!(found, "nobody notices that the syncs of {lie} are missing: {told}");
    }
    let (output, told) =
        crash(&[&update[..], &["--lie", "directories", "--sample", "1"]].concat())?;
    let found = !output.status.success() && told.contains("is not followed by a sync");
    ensure!(found, "nobody notices that the syncs of directories are missing: {told}");
    Ok(())
}
