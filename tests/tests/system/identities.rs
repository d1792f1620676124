//! What an updater asks of its own identity. What it asks of others is in `peers_matrix.rs`.

use anyhow::Result;
use fleet_tests::{Host, Setup};

#[test]
fn a_key_that_others_can_read_is_refused_at_the_start() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::alone_and_idle(&Setup::default())?;
    let key = host.directory.join("identity/updater.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    host.start_crashing("")?;
    fleet_tests::eventually("the updater to say so", fleet_tests::LONG, || {
        host.log().contains("chmod").then_some(())
    })?;
    fleet_tests::eventually("the updater to be gone", fleet_tests::LONG, || {
        host.updater_processes().is_empty().then_some(())
    })?;
    assert!(host.master().get("/health").is_err());
    Ok(())
}
