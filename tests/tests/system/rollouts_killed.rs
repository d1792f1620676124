//! One rollout whose master is killed again and again. `make crash` kills it after every single event.

use anyhow::{Result, ensure};
use fleet_tests::crashes::kill_master_after_every;

#[test]
fn lesson_45_a_master_that_is_killed_after_every_fourth_event_comes_to_the_same_end() -> Result<()>
{
    let killed = kill_master_after_every(4)?;
    // Each of twelve hosts is looked at, enters phases and comes to its end.
    ensure!(killed >= 9, "only {killed} times");
    Ok(())
}
