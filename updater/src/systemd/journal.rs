//! What units told the journal: why a release did not start, in its own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

use crate::sys::bounds::{Bound, CommandBounds};
use crate::sys::job::RunError;
use crate::sys::run::run_bounded;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// Lines that are read of what units have told, at most, from its end.
const READ_LINES: usize = 10_000;
/// Bytes of them.
const OUTPUT_BYTES: u64 = 4 << 20;
/// Bytes that are read of the beginning, where it is not among these.
const BEGINNING_BYTES: u64 = 16 << 10;
/// How long the journal is left to read what units have printed.
const SETTLES: Duration = Duration::from_millis(250);

/// Tells what these units have told since then, systemd's own words about them among it; of very much, the
/// beginning and the end. What cannot be read is not there: a failure must be told without it, too. Blocks.
#[expect(clippy::disallowed_methods, reason = "no event tells that the journal has read on")]
pub fn read_journal(
    units: &[String],
    since: OffsetDateTime,
    timeout: Duration,
    on_line: &mut dyn FnMut(&str),
) {
    let since = format!("--since=@{}.{:06}", since.unix_timestamp(), since.microsecond());
    let lines = format!("--lines={READ_LINES}");
    let mut all = vec!["--quiet", "--no-pager", "--output=cat", since.as_str()];
    for unit in units {
        all.extend(["--unit", unit]);
    }
    // With a beginning, systemd 252 shows the first lines in place of the last; not the other way round.
    let mut from_end = vec!["--reverse", lines.as_str()];
    from_end.extend(&all);
    // What was printed a moment ago may not be written yet; and the journal's own answer to that
    // (before systemd 258) does not wait for what it has not yet read from a unit's output.
    journalctl(&["--sync"], timeout, OUTPUT_BYTES);
    std::thread::sleep(SETTLES);
    journalctl(&["--sync"], timeout, OUTPUT_BYTES);
    let (mut last, is_all) = journalctl(&from_end, timeout, OUTPUT_BYTES);
    if !is_all || last.len() >= READ_LINES {
        let (first, _) = journalctl(&all, timeout, BEGINNING_BYTES);
        for line in &first {
            on_line(line);
        }
        on_line("… more than is read was printed here");
    }
    last.reverse();
    for line in &last {
        on_line(line);
    }
}

/// What it printed, within this bound, and whether that is all.
fn journalctl(arguments: &[&str], timeout: Duration, output_bytes: u64) -> (Vec<String>, bool) {
    let mut lines = Vec::new();
    let command: Vec<String> =
        ["journalctl"].iter().chain(arguments).map(|word| (*word).to_owned()).collect();
    let Ok(user) = User::current() else { return (lines, true) };
    let Ok(spawn) = Spawn::new(&command, Path::new("/"), user, &BTreeMap::new()) else {
        return (lines, true);
    };
    let bounds = CommandBounds { timeout, output_bytes, room: None, until: None };
    let ran = run_bounded(spawn, bounds, |line| lines.push(line.to_owned()));
    (lines, !matches!(ran, Err(RunError::Ended { bound: Bound::Output(_), .. })))
}
