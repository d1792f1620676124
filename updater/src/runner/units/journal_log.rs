//! What an app's units have printed, as the journal has it.

use protocol::LogItem;
use time::OffsetDateTime;

use super::control::Control;
use super::handover_runner::HandoverUnitsRunner;
use super::runner::UnitsRunner;
use crate::runner::program_log::{
    JournalPosition, LINE_CHARACTERS, LogPosition, LogRead, LoggedRun, PAST_BYTES, ProgramLog,
    READ_BYTES, no_previous,
};
use crate::sys::output::printable_within;
use crate::sys::wall_clock;
use crate::systemd::{JournalEntry, RunUnits};

/// Entries that are read beyond those that are wanted: the latest ones may be of no run, and one is the place to go
/// on from.
const MORE: usize = 50;

/// A unit whose output is an app's.
pub(super) struct LoggedUnit {
    /// The one that serves, or should.
    pub(super) serves: String,
    /// That one, and those of which another one was before it.
    pub(super) all: Vec<String>,
}

impl ProgramLog for UnitsRunner {
    fn read_run(&self, run: LoggedRun, lines: usize, _goes_on: bool) -> LogRead {
        read_run(&self.control, &self.logged_units(), run, lines)
    }

    fn read_after(&self, position: &LogPosition) -> LogRead {
        read_after(&self.control, self.logged_units(), position)
    }
}

impl ProgramLog for HandoverUnitsRunner {
    fn read_run(&self, run: LoggedRun, lines: usize, _goes_on: bool) -> LogRead {
        read_run(&self.control, &self.logged_units(), run, lines)
    }

    fn read_after(&self, position: &LogPosition) -> LogRead {
        read_after(&self.control, self.logged_units(), position)
    }
}

fn read_run(control: &Control, units: &[LoggedUnit], run: LoggedRun, lines: usize) -> LogRead {
    let (journal, began) = (control.journal_runs(), wall_clock());
    journal.sync();
    let (most, is_previous) = (lines.saturating_add(MORE), run == LoggedRun::Previous);
    let of_unit = |unit: &LoggedUnit| {
        let last = &control.known_as(std::slice::from_ref(&unit.serves));
        let before = is_previous.then(|| control.known_as(&unit.all));
        journal.run(&RunUnits { last, before: before.as_deref() }, most, PAST_BYTES)
    };
    let runs: Vec<_> = units.iter().filter_map(of_unit).collect();
    if runs.is_empty() {
        let items = if is_previous { vec![no_previous()] } else { Vec::new() };
        return LogRead { items, position: since(began) };
    }
    let mut entries: Vec<_> = runs.into_iter().flatten().collect();
    entries.sort_by_key(JournalEntry::time);
    let place = entries.last().map(|entry| JournalPosition::Cursor(entry.cursor.clone()));
    entries.drain(..entries.len().saturating_sub(lines));
    let position = place.map_or_else(|| since(began), LogPosition::Journal);
    LogRead { items: items(&entries), position }
}

fn read_after(control: &Control, units: Vec<LoggedUnit>, position: &LogPosition) -> LogRead {
    let units: Vec<_> = units.into_iter().flat_map(|unit| unit.all).collect();
    let (journal, units) = (control.journal_runs(), control.known_as(&units));
    let entries = match position {
        LogPosition::Journal(JournalPosition::Cursor(cursor)) => {
            journal.entries_after(&units, cursor, READ_BYTES)
        }
        LogPosition::Journal(JournalPosition::Since(since)) => {
            journal.entries_since(&units, *since, READ_BYTES)
        }
        LogPosition::File { .. } => Vec::new(),
    };
    let place = entries.last().map(|entry| JournalPosition::Cursor(entry.cursor.clone()));
    let position = place.map_or_else(|| position.clone(), LogPosition::Journal);
    LogRead { items: items(&entries), position }
}

const fn since(time: OffsetDateTime) -> LogPosition {
    LogPosition::Journal(JournalPosition::Since(time))
}

/// An entry may have several lines.
fn items(entries: &[JournalEntry]) -> Vec<LogItem> {
    let lines = entries.iter().flat_map(|entry| entry.bytes().split(|byte| *byte == b'\n'));
    lines.map(|line| LogItem::Line(printable_within(line, LINE_CHARACTERS))).collect()
}
