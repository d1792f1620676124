//! What an updater that is started by hand says on its standard error.

use anyhow::Result;
use fleet_tests::{LONG, Tree, eventually, host, wording};
use insta::assert_snapshot;

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
    assert_snapshot!(wording(&log), @r"
    TIME  INFO agent: update to SHORT ordered by master; nothing is active
    TIME  INFO agent: received SHORT: SIZE, 3 entries, in DURATION
    TIME  INFO agent: on the disk in DURATION: nothing to build
    TIME  INFO agent: switching from nothing to SHORT
    TIME  INFO agent: started as process PID in DURATION
    TIME  INFO agent: SHORT is proven by its echo, in DURATION
    TIME  INFO agent: watching for 300ms
    TIME  INFO agent: update ended after DURATION: updated
    ");
    Ok(())
}
