//! Reading an agent's log from afar: one run of it, and what is added to it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use protocol::LogItem;

use super::log::AgentLog;
use super::log_starts::{LogStart, LogStarts};
use super::program_log::{
    LINE_CHARACTERS, LogFileId, LogPosition, LogRead, LoggedRun, PAST_BYTES, ProgramLog,
    READ_BYTES, left_out, no_previous,
};
use crate::sys::output::printable_within;

/// A part of one of the files that the log is.
struct Part {
    file: File,
    id: LogFileId,
    from: u64,
    to: u64,
}

impl ProgramLog for AgentLog {
    fn read_run(&self, run: LoggedRun, lines: usize, goes_on: bool) -> LogRead {
        let known = LogStarts::read(self.path());
        let bounds = known.bounds(run);
        let position = |file, offset| {
            let run = known.starts.last().map(|start| start.at);
            LogPosition::File { file, offset, run }
        };
        if bounds.is_none() && run == LoggedRun::Previous {
            return LogRead { items: vec![no_previous()], position: position(None, 0) };
        }
        let mut parts = self.parts();
        let end = parts.last().map_or((None, 0), |part| (Some(part.id), part.to));
        if let Some((start, next)) = bounds {
            begin_at(&mut parts, start);
            if let Some(next) = next
                && !end_at(&mut parts, next)
            {
                let gone = "the log has been put aside since the run before: nothing is left of it";
                let items = vec![LogItem::Note(gone.to_owned())];
                return LogRead { items, position: position(None, 0) };
            }
        }
        let mut bytes = last_bytes(&mut parts);
        let mut offset = end.1;
        if goes_on {
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            offset = offset.saturating_sub((bytes.len() - whole) as u64);
            bytes.truncate(whole);
        }
        LogRead { items: last_lines(&bytes, lines), position: position(end.0, offset) }
    }

    fn read_after(&self, position: &LogPosition) -> LogRead {
        let LogPosition::File { file, offset, run } = position else {
            return LogRead { items: Vec::new(), position: position.clone() };
        };
        let (mut items, mut parts) = (Vec::new(), self.parts());
        match parts.iter().position(|part| Some(part.id) == *file) {
            Some(index) => {
                parts.drain(..index);
                // It may have been cut since, to make room on the disk.
                let part = &mut parts[0];
                part.from = if *offset <= part.to { *offset } else { part.to };
            }
            None if file.is_some() && !parts.is_empty() => items.push(left_out()),
            None => {}
        }
        // One that is read to its end is done with, where there is a newer one.
        if parts.len() > 1 && parts[0].from == parts[0].to {
            parts.remove(0);
        }
        let Some((part, newer)) = parts.split_first_mut() else {
            return LogRead { items, position: position.clone() };
        };
        let bytes = whole_lines(part.bytes(READ_BYTES), newer.is_empty());
        let until = part.from + bytes.len() as u64;
        let known = LogStarts::read(self.path());
        let (mut run, mut at) = (*run, part.from);
        for start in &known.starts {
            let is_new = run.is_none_or(|run| run < start.at);
            let is_beyond = (start.file == part.id && start.offset > until)
                || newer.iter().any(|newer| newer.id == start.file);
            if !is_new || is_beyond {
                continue;
            }
            if start.file == part.id && start.offset > at {
                let upto = start.offset.min(until);
                items.extend(lines_of(slice(&bytes, at - part.from, upto - part.from)));
                at = upto;
            }
            items.push(LogItem::Note(format!("started again: {}", start.release_words())));
            run = Some(start.at);
        }
        items.extend(lines_of(slice(&bytes, at - part.from, until - part.from)));
        LogRead { items, position: LogPosition::File { file: Some(part.id), offset: until, run } }
    }
}

impl AgentLog {
    /// The files that the log is, the older one first. One that cannot be read is not there.
    fn parts(&self) -> Vec<Part> {
        // In this order: where it is put aside in between, it is found twice, and none is missed.
        let found = [Part::of(self.path()), Part::of(&self.older())];
        let mut parts: Vec<Part> = found.into_iter().rev().flatten().collect();
        parts.dedup_by_key(|part| part.id);
        parts
    }
}

impl Part {
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { file, id: LogFileId::of(&metadata), from: 0, to: metadata.len() })
    }

    /// So many bytes of it, from its beginning on. What cannot be read is not there.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let length = (self.to - self.from).min(most as u64);
        let read = self.file.seek(SeekFrom::Start(self.from));
        let _ = read.and_then(|_| (&mut self.file).take(length).read_to_end(&mut bytes));
        bytes
    }
}

/// Leaves out what was printed before a run.
fn begin_at(parts: &mut Vec<Part>, start: &LogStart) {
    if let Some(index) = parts.iter().position(|part| part.id == start.file) {
        parts.drain(..index);
        if start.offset <= parts[0].to {
            parts[0].from = start.offset;
        }
    }
}

/// Leaves out what was printed from a run on. False if nothing is left of what was before.
fn end_at(parts: &mut Vec<Part>, next: &LogStart) -> bool {
    let Some(index) = parts.iter().position(|part| part.id == next.file) else { return false };
    parts.truncate(index + 1);
    let part = &mut parts[index];
    if next.offset > part.to {
        return false;
    }
    part.to = next.offset.max(part.from);
    true
}

/// The end of what the parts are, of much.
fn last_bytes(parts: &mut [Part]) -> Vec<u8> {
    let (mut bytes, mut left) = (Vec::new(), PAST_BYTES as u64);
    let mut is_cut = false;
    for part in parts.iter_mut().rev() {
        if part.to - part.from > left {
            part.from = part.to - left;
            is_cut = true;
        }
        left -= part.to - part.from;
        let mut read = part.bytes(PAST_BYTES);
        read.append(&mut bytes);
        bytes = read;
    }
    if is_cut {
        // A line that is not whole is none.
        let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..whole);
    }
    bytes
}

/// What is read of a file that may still be added to: whole lines, or a line that is too long to wait for.
fn whole_lines(mut bytes: Vec<u8>, may_grow: bool) -> Vec<u8> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    match whole {
        Some(whole) if may_grow || bytes.len() >= READ_BYTES => bytes.truncate(whole),
        None if may_grow && bytes.len() < LINE_CHARACTERS => bytes.clear(),
        _ => {}
    }
    bytes
}

fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

fn last_lines(bytes: &[u8], most: usize) -> Vec<LogItem> {
    let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').rev().take(most).collect();
    lines.reverse();
    lines.into_iter().map(item).collect()
}

fn lines_of(bytes: &[u8]) -> impl Iterator<Item = LogItem> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(item)
}

fn item(line: &[u8]) -> LogItem {
    LogItem::Line(printable_within(line, LINE_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protocol::Digest;
    use tempfile::TempDir;
    use time::OffsetDateTime;

    use super::*;
    use crate::runner::{Behaviour, Launch};

    struct Printed {
        directory: TempDir,
        log: AgentLog,
        runs: i64,
        /// The numbers of files that are open are given to no other.
        aside: Vec<File>,
    }

    impl Printed {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let log = AgentLog::new(directory.path(), 1 << 20, "/none".into());
            fs::write(log.path(), "").unwrap();
            Self { directory, log, runs: 0, aside: Vec::new() }
        }

        fn print(&self, text: &str) {
            use std::io::Write as _;
            let mut file = File::options().append(true).create(true).open(self.log.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn start(&mut self) {
            let launch = Launch {
                release_path: self.directory.path().to_owned(),
                digest: Digest::from_bytes([7; 32]),
                version: Some("1.7.0".to_owned()),
                command: Vec::new(),
                environment: std::collections::BTreeMap::new(),
                behaviour: Behaviour::default(),
            };
            self.runs += 1;
            let at = OffsetDateTime::from_unix_timestamp(self.runs).unwrap();
            LogStarts::add(self.log.path(), &launch, at);
        }

        fn rotate(&mut self) {
            self.aside.push(File::open(self.log.path()).unwrap());
            fs::rename(self.log.path(), self.log.older()).unwrap();
            fs::write(self.log.path(), "").unwrap();
        }

        fn run(&self, run: LoggedRun, lines: usize) -> Vec<String> {
            words(self.log.read_run(run, lines, false).items)
        }
    }

    fn words(items: Vec<LogItem>) -> Vec<String> {
        let word = |item| match item {
            LogItem::Line(line) => line,
            LogItem::Note(note) => format!("-- {note}"),
            LogItem::Quiet => panic!("nothing is read"),
        };
        items.into_iter().map(word).collect()
    }

    #[test]
    fn each_run_has_its_own_lines_also_where_the_log_was_put_aside_in_between() {
        let mut printed = Printed::new();
        printed.start();
        printed.print("one\ntwo\n");
        assert_eq!(
            printed.run(LoggedRun::Previous, 9),
            ["-- nothing is kept of a run before this one"]
        );
        printed.start();
        printed.print("thr\u{1b}[2Jee\n");
        assert_eq!(printed.run(LoggedRun::Last, 9), ["thr\\u{1b}[2Jee"]);
        assert_eq!(printed.run(LoggedRun::Previous, 1), ["two"]);
        printed.rotate();
        printed.print("four\nfi");
        assert_eq!(printed.run(LoggedRun::Last, 2), ["four", "fi"]);
        assert_eq!(printed.run(LoggedRun::Previous, 9), ["one", "two"]);
        printed.rotate();
        assert_eq!(printed.run(LoggedRun::Last, 9), ["four", "fi"]);
        assert!(
            printed.run(LoggedRun::Previous, 9)[0].starts_with("-- the log has been put aside")
        );
    }

    #[test]
    fn what_is_added_is_read_once_over_a_rotation_and_a_start() {
        let mut printed = Printed::new();
        printed.start();
        printed.print("one\nhalf");
        let mut read = printed.log.read_run(LoggedRun::Last, 9, true);
        assert_eq!(words(read.items.clone()), ["one"]);
        let mut next = |printed: &Printed| {
            read = printed.log.read_after(&read.position);
            words(read.items.clone())
        };
        assert!(next(&printed).is_empty());
        printed.print(" a line\n");
        assert_eq!(next(&printed), ["half a line"]);
        assert!(next(&printed).is_empty());
        printed.print("end\n");
        printed.rotate();
        printed.print("new\n");
        assert_eq!([next(&printed), next(&printed)].concat(), ["end", "new"]);
        let read = printed.log.read_run(LoggedRun::Last, 0, true);
        printed.print("last words\n");
        printed.start();
        printed.print("first words\n");
        let after = printed.log.read_after(&read.position);
        assert_eq!(
            words(after.items),
            ["last words", "-- started again: 1.7.0 (07070707)", "first words"]
        );
        assert!(printed.log.read_after(&after.position).items.is_empty());
        // Two files further: a part of it is gone.
        printed.print("lost\n");
        printed.rotate();
        printed.rotate();
        printed.print("there\n");
        let late = words(printed.log.read_after(&after.position).items);
        assert!(late[0].starts_with("-- lines are missing") && late[1..] == ["there"], "{late:?}");
    }

    #[test]
    fn a_log_without_starts_is_of_one_run() {
        let printed = Printed::new();
        printed.print("old\n");
        assert_eq!(printed.run(LoggedRun::Last, 9), ["old"]);
    }
}
