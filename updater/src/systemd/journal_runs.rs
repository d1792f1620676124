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
/// Bytes that are read where only ids are wanted.
const ID_BYTES: usize = 256 << 10;

/// One entry of the journal, as `journalctl --output=json` has it.
#[derive(Debug, Deserialize)]
pub(crate) struct JournalEntry {
    /// Its place.
    #[serde(rename = "__CURSOR")]
    pub(crate) cursor: String,
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

    fn invocation(&self) -> Option<&String> {
        self.about.as_ref().or(self.of.as_ref())
    }
}

/// Asks the journal, for so long at most each time. What it does not tell is not there. All of it blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JournalRuns {
    pub(crate) timeout: Duration,
}

impl JournalRuns {
    /// The journal takes in what was printed a moment ago.
    pub(crate) fn sync(&self) {
        self.run(&["--sync".to_owned()], ID_BYTES);
    }

    /// The last run of these units.
    pub(crate) fn last_run(&self, units: &[String]) -> Option<String> {
        let entries = self.ids_backwards(units, None);
        entries.iter().find_map(JournalEntry::invocation).cloned()
    }

    /// The run of these units that was there before this one began.
    pub(crate) fn run_before(&self, units: &[String], run: &str) -> Option<String> {
        let first = self.entries(&matches(&[run.to_owned()]), IDS, ID_BYTES).into_iter().next()?;
        let entries = self.ids_backwards(units, Some(format!("--cursor={}", first.cursor)));
        let other = |entry: &JournalEntry| entry.invocation().filter(|id| *id != run).cloned();
        entries.iter().find_map(other)
    }

    /// The last entries of these runs, the latest at the end.
    pub(crate) fn last_entries(
        &self,
        runs: &[String],
        entries: usize,
        bytes: usize,
    ) -> Vec<JournalEntry> {
        let mut words = vec!["--reverse".to_owned(), format!("--lines={entries}")];
        words.extend(matches(runs));
        let mut entries = self.entries(&words, "MESSAGE", bytes);
        entries.reverse();
        entries
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

    fn ids_backwards(&self, units: &[String], from: Option<String>) -> Vec<JournalEntry> {
        let words = ["--reverse", LOOKED_AT].map(str::to_owned).into_iter();
        let units = units.iter().map(|unit| of_unit(unit));
        self.entries(&words.chain(units).chain(from).collect::<Vec<_>>(), IDS, ID_BYTES)
    }

    fn entries(&self, words: &[String], fields: &str, bytes: usize) -> Vec<JournalEntry> {
        let form = ["--quiet", "--no-pager", "--all", "--output=json"].map(str::to_owned);
        let mut all = form.to_vec();
        all.push(format!("--output-fields={fields}"));
        all.extend_from_slice(words);
        let printed = self.run(&all, bytes);
        // A last one that is not whole is none.
        let lines = printed.split(|byte| *byte == b'\n');
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    fn run(&self, words: &[String], bytes: usize) -> Vec<u8> {
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

/// What the processes of these runs have printed, and what systemd has told of them.
fn matches(runs: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for run in runs {
        for field in ["_SYSTEMD_INVOCATION_ID", "INVOCATION_ID"] {
            if !words.is_empty() {
                words.push("+".to_owned());
            }
            words.push(format!("{field}={run}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whatever_its_message_is() {
        let read = |message: &str| {
            let text = format!(r#"{{"__CURSOR":"s=1","MESSAGE":{message},"INVOCATION_ID":"ab"}}"#);
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
    fn runs_are_asked_for_by_what_they_printed_and_what_systemd_told_of_them() {
        assert_eq!(
            matches(&["a".to_owned(), "b".to_owned()]).join(" "),
            "_SYSTEMD_INVOCATION_ID=a + INVOCATION_ID=a + _SYSTEMD_INVOCATION_ID=b + INVOCATION_ID=b"
        );
    }
}
