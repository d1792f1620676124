//! Where the log goes: to the journal of systemd, with fields, if that is where standard error goes;
//! else to standard error, as plain lines.
//!
//! A line reads whole without its fields: those are for queries. What is in it may come from a
//! release, and must never look like another line.

use std::fmt;
use std::io;

use rustix::fs::fstat;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment::Environment;

/// The journal's name for the updater, whatever the program's file is called.
const IDENTIFIER: &str = "updater";

/// From here on what is logged goes there. Once for each process.
pub(super) fn start(environment: &Environment) {
    let filter = environment.log_filter().and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    if let Some(journal) = environment.journal_stream().and_then(journal) {
        registry.with(journal).init();
    } else {
        let plain = tracing_subscriber::fmt::layer();
        registry.with(plain.event_format(Plain).with_writer(io::stderr)).init();
    }
}

/// The journal, if standard error goes there, and it listens.
fn journal(stream: &str) -> Option<tracing_journald::Layer> {
    let stderr = fstat(io::stderr()).ok()?;
    if !names(stream, stderr.st_dev, stderr.st_ino) {
        return None;
    }
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    let journal = tracing_journald::layer().ok()?;
    Some(
        journal
            .with_field_prefix(None)
            .with_syslog_identifier(IDENTIFIER.to_owned())
            .with_priority_mappings(priorities),
    )
}

/// Whether `JOURNAL_STREAM` means this file. It is inherited by programs whose output was sent
/// elsewhere.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let numbers = stream.split_once(':');
    numbers.is_some_and(|(named, of)| named.parse() == Ok(device) && of.parse() == Ok(inode))
}

/// The time, how grave it is, and the line.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        SystemTime.format_time(&mut writer)?;
        write!(writer, " {:>5} ", event.metadata().level())?;
        let mut message = Message(String::new());
        event.record(&mut message);
        for character in message.0.chars() {
            if character.is_control() {
                write!(writer, "{}", character.escape_default())?;
            } else {
                writer.write_char(character)?;
            }
        }
        writeln!(writer)
    }
}

/// The message of an event, without its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_told_by_its_device_and_inode() {
        assert!(names("8:1234", 8, 1234));
        assert!(!names("8:1235", 8, 1234));
        assert!(!names("9:1234", 8, 1234));
        assert!(!names("", 8, 1234) && !names("8", 8, 1234) && !names("8:x", 8, 1234));
    }

    #[test]
    fn a_plain_line_has_no_fields_and_stays_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let layer = tracing_subscriber::fmt::layer().event_format(Plain);
        let layer = layer.with_writer(file.reopen().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _inside = tracing::error_span!("transaction", app = "agent").entered();
            tracing::info!(digest = "sha256:…", "its words: {}", "a\nb\u{1b}[31m");
        });
        let text = std::fs::read_to_string(file.path()).unwrap();
        let (_, line) = text.split_once(' ').unwrap();
        assert_eq!(line.trim_start(), "INFO its words: a\\nb\\u{1b}[31m\n");
    }
}
