//! What units told the journal: why a release did not start, in its own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

use crate::sys::bounds::CommandBounds;
use crate::sys::output::TAIL_LINES;
use crate::sys::run::run_bounded;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// More than the last lines ever are.
const OUTPUT_BYTES: u64 = 1 << 20;
/// How long the journal is left to read what units have printed.
const SETTLES: Duration = Duration::from_millis(250);

/// The last lines of these units since then, systemd's own about them among them. What cannot be
/// read is not there: a failure must be told without it, too. Blocks.
#[expect(clippy::disallowed_methods, reason = "no event tells that the journal has read on")]
pub fn last_lines(units: &[String], since: OffsetDateTime, timeout: Duration) -> Vec<String> {
    let since = format!("--since=@{}.{:06}", since.unix_timestamp(), since.microsecond());
    let lines = format!("--lines={TAIL_LINES}");
    // With a beginning, systemd 252 shows the first lines in place of the last; not the other way round.
    let mut read = vec!["--quiet", "--no-pager", "--output=cat", "--reverse", &since, &lines];
    for unit in units {
        read.extend(["--unit", unit]);
    }
    // What was printed a moment ago may not be written yet; and the journal's own answer to that
    // (before systemd 258) does not wait for what it has not yet read from a unit's output.
    journalctl(&["--sync"], timeout);
    std::thread::sleep(SETTLES);
    journalctl(&["--sync"], timeout);
    let mut last = journalctl(&read, timeout);
    last.reverse();
    last
}

fn journalctl(arguments: &[&str], timeout: Duration) -> Vec<String> {
    let command: Vec<String> =
        ["journalctl"].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
    let Ok(user) = User::current() else { return Vec::new() };
    let Ok(spawn) = Spawn::new(&command, Path::new("/"), user, &BTreeMap::new()) else {
        return Vec::new();
    };
    let bounds = CommandBounds { timeout, output_bytes: OUTPUT_BYTES, room: None, until: None };
    run_bounded(spawn, bounds, |_| {}).map(|finished| finished.tail).unwrap_or_default()
}
