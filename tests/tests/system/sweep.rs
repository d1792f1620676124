//! A sample of `make crash`: the updater is disturbed at its calls on the file system.

use std::process::Command;

use anyhow::{Result, ensure};
use fleet_tests::program;

#[test]
fn an_updater_disturbed_at_any_call_leaves_a_whole_host() -> Result<()> {
    let output =
        Command::new(program("crash")?).args(["--sample", "50", "--seed", "1"]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{told}\n{table}");
    Ok(())
}
