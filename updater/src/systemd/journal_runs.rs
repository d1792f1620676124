//! What units have told the journal, run by run: systemd gives each run of a unit an id of its own, its
//! invocation.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::sys::run::run_for_bytes;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// Entries among which one of another run is looked for.
const LOOKED_AT: &str = "--lines=200";
/// What says of which run an entry is.
const IDS: &str = "INVOCATION_ID,_SYSTEMD_INVOCATION_ID";
/// That, and what was printed.
const ALL: &str = "MESSAGE,INVOCATION_ID,_SYSTEMD_INVOCATION_ID";
/// Bytes that are read where only ids are wanted.
const ID_BYTES: usize = 256 << 10;

/// One entry of the journal, as `journalctl --output=json` has it.
#[derive(Debug, Deserialize)]
pub(crate) struct JournalEntry {
    /// Its place.
    #[serde(rename = "__CURSOR")]
    pub(crate) cursor: String,
    /// When it was, in microseconds.
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    time: String,
    /// What was printed: text, or the bytes of what is none.
    #[serde(rename = "MESSAGE", default)]
    message: Option<Message>,
    /// The run of the unit whose process has printed it.
    #[serde(rename = "_SYSTEMD_INVOCATION_ID", default)]
    of: Option<String>,
    /// The run that systemd tells of.
    #[serde(rename = "INVOCATION_ID", default)]
    about: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    /// Several of one entry, or none at all.
    Other(serde::de::IgnoredAny),
}

impl JournalEntry {
    /// What was printed, as it was.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.message {
            Some(Message::Text(text)) => text.as_bytes(),
            Some(Message::Bytes(bytes)) => bytes,
            Some(Message::Other(_)) | None => &[],
        }
    }

    /// When it was, in microseconds.
    pub(crate) fn time(&self) -> u64 {
        self.time.parse().unwrap_or_default()
    }

    fn invocation(&self) -> Option<&String> {
        self.about.as_ref().or(self.of.as_ref())
    }
}

/// Units of which there is one run after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunUnits<'a> {
    /// The one that has the last run, under each of its names.
    pub(crate) last: &'a [String],
    /// Where the run before it is wanted: those that may have had it.
    pub(crate) before: Option<&'a [String]>,
}

/// Asks the journal, for so long at most each time. What it does not tell is not there. All of it blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalRuns {
    pub(crate) timeout: Duration,
}

impl JournalRuns {
    /// The journal takes in what was printed a moment ago.
    pub(crate) fn sync(&self) {
        self.journalctl(&["--sync".to_owned()], ID_BYTES);
    }

    /// The last entries of the last run of these units, or of the one before it; the latest at the end. None if there
    /// was no such run.
    pub(crate) fn run(
        &self,
        units: &RunUnits<'_>,
        entries: usize,
        bytes: usize,
    ) -> Option<Vec<JournalEntry>> {
        let ids = self.backwards(units.last, &[LOOKED_AT], IDS, ID_BYTES);
        let last = ids.iter().find_map(JournalEntry::invocation)?.clone();
        let lines = format!("--lines={entries}");
        let Some(all) = units.before else {
            let told = self.backwards(units.last, &[&lines], ALL, bytes);
            return Some(of_run(told, &last));
        };
        let first = self.entries(&matches(&last), IDS, ID_BYTES).into_iter().next()?;
        let from = format!("--cursor={}", first.cursor);
        let ids = self.backwards(all, &[LOOKED_AT, &from], IDS, ID_BYTES);
        let before =
            ids.iter().filter_map(JournalEntry::invocation).find(|id| **id != last)?.clone();
        Some(of_run(self.backwards(all, &[&lines, &from], ALL, bytes), &before))
    }

    /// What these units have told behind an entry.
    pub(crate) fn entries_after(
        &self,
        units: &[String],
        cursor: &str,
        bytes: usize,
    ) -> Vec<JournalEntry> {
        self.entries_from(units, format!("--after-cursor={cursor}"), bytes)
    }

    /// What these units have told since then.
    pub(crate) fn entries_since(
        &self,
        units: &[String],
        since: OffsetDateTime,
        bytes: usize,
    ) -> Vec<JournalEntry> {
        let since = format!("--since=@{}.{:06}", since.unix_timestamp(), since.microsecond());
        self.entries_from(units, since, bytes)
    }

    fn entries_from(&self, units: &[String], from: String, bytes: usize) -> Vec<JournalEntry> {
        let units = units.iter().map(|unit| of_unit(unit));
        let words: Vec<_> = units.chain([from]).collect();
        self.entries(&words, "MESSAGE", bytes)
    }

    fn backwards(
        &self,
        units: &[String],
        more: &[&str],
        fields: &str,
        bytes: usize,
    ) -> Vec<JournalEntry> {
        let words = std::iter::once("--reverse").chain(more.iter().copied()).map(str::to_owned);
        let units = units.iter().map(|unit| of_unit(unit));
        self.entries(&words.chain(units).collect::<Vec<_>>(), fields, bytes)
    }

    fn entries(&self, words: &[String], fields: &str, bytes: usize) -> Vec<JournalEntry> {
        let form = ["--quiet", "--no-pager", "--all", "--output=json"].map(str::to_owned);
        let mut all = form.to_vec();
        all.push(format!("--output-fields={fields}"));
        all.extend_from_slice(words);
        let printed = self.journalctl(&all, bytes);
        // A last one that is not whole is none.
        let lines = printed.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn journalctl(&self, words: &[String], bytes: usize) -> Vec<u8> {
        let command: Vec<String> =
            std::iter::once("journalctl".to_owned()).chain(words.iter().cloned()).collect();
        let Ok(user) = User::current() else { return Vec::new() };
        let spawn = Spawn::new(&command, Path::new("/"), user, &BTreeMap::new());
        spawn
            .ok()
            .and_then(|spawn| run_for_bytes(spawn, self.timeout, bytes).ok())
            .unwrap_or_default()
    }
}

fn of_unit(unit: &str) -> String {
    format!("--unit={unit}")
}

/// What the processes of a run have printed, and what systemd has told of it.
fn matches(run: &str) -> Vec<String> {
    let field = |field: &str| format!("{field}={run}");
    vec![field("_SYSTEMD_INVOCATION_ID"), "+".to_owned(), field("INVOCATION_ID")]
}

/// Those of a run, of entries with the latest first; the latest at the end. What a process printed just before its
/// end may say of no run that it is its: it is of the one that has told something before.
fn of_run(entries: Vec<JournalEntry>, run: &str) -> Vec<JournalEntry> {
    let (mut own, mut unsaid) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.invocation() {
            None => unsaid.push(entry),
            Some(id) if id == run => {
                own.append(&mut unsaid);
                own.push(entry);
            }
            Some(_) => unsaid.clear(),
        }
    }
    own.reverse();
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whatever_its_message_is() {
        let read = |message: &str| {
            let text = format!(
                r#"{{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"7","MESSAGE":{message},"INVOCATION_ID":"ab"}}"#
            );
            let entry: JournalEntry = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (entry.cursor.as_str(), entry.invocation().unwrap().as_str()),
                ("s=1", "ab")
            );
            entry.bytes().to_vec()
        };
        assert_eq!(read(r#""one""#), b"one");
        assert_eq!(read("[27,91,50,74]"), b"\x1b[2J");
        assert_eq!(read("null"), b"");
        assert_eq!(read(r#"["one","two"]"#), b"");
    }

    #[test]
    fn what_says_of_no_run_that_it_is_its_is_of_the_one_before_it() {
        let entry = |cursor: &str, run: Option<&str>| -> JournalEntry {
            let document = serde_json::json!({
                "__CURSOR": cursor, "__REALTIME_TIMESTAMP": "1", "_SYSTEMD_INVOCATION_ID": run,
            });
            serde_json::from_value(document).unwrap()
        };
        let entries = || {
            vec![
                entry("6", Some("b")),
                entry("5", None),
                entry("4", Some("b")),
                entry("3", None),
                entry("2", Some("a")),
                entry("1", None),
            ]
        };
        let found = |run| -> Vec<String> {
            of_run(entries(), run).into_iter().map(|entry| entry.cursor).collect()
        };
        assert_eq!(
            (found("b"), found("a")),
            (vec!["4".into(), "5".into(), "6".into()], vec!["2".into(), "3".into()])
        );
    }
}
