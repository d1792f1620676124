//! The two streams that a command writes to.
//!
//! Writing never fails a command: a reader that has gone away must not stop a rollout half way.
//! Any other fault (a full disk behind a redirection) is kept, and is the command's failure at its
//! end.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::{TerminalEnvironment, document_line, pretty_document};
use console::Term;
use control::rollout::ReleaseNames;
use explain::{Explain, Failure, plain, plain_json};
use serde::Serialize;

use crate::output::{ColourChoice, Style, Tone, wrapped};

/// Why the output is not whole.
#[derive(Debug, thiserror::Error)]
#[error("write the output")]
pub struct OutputError(#[source] io::Error);

impl Explain for OutputError {}

/// What the command line says of the output.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputSettings {
    pub json: bool,
    /// No progress, and no messages but errors.
    pub quiet: bool,
    /// Each phase of a host too.
    pub verbose: bool,
    pub colour: ColourChoice,
}

/// Where a command's data and messages go. Clones write to the same streams.
#[derive(Clone)]
pub struct Output {
    settings: OutputSettings,
    terminal: bool,
    /// Of the terminal that stdout is, if it is one.
    columns: Option<usize>,
    /// The same of stderr.
    message_columns: Option<usize>,
    /// Of stdout, and of stderr.
    styles: (Style, Style),
    /// How releases are called in documents.
    names: Arc<ReleaseNames>,
    streams: Arc<Mutex<Streams>>,
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    fault: Option<io::Error>,
}

impl Output {
    /// This process's stdout and stderr.
    pub fn standard(settings: OutputSettings, terminal: &TerminalEnvironment) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let style = |is_terminal| terminal.style(settings.colour, is_terminal);
        let (_, columns) = Term::stdout().size();
        let (_, message_columns) = Term::stderr().size();
        Self {
            columns: out.then(|| columns.into()),
            message_columns: err.then(|| message_columns.into()),
            styles: (style(out), style(err)),
            ..Self::new(
                settings,
                err && terminal.is_drawn_on(),
                Box::new(io::stdout()),
                Box::new(io::stderr()),
            )
        }
    }

    /// Any two streams. `terminal` says whether a person looks at `err` as it is written.
    pub fn new(
        settings: OutputSettings,
        terminal: bool,
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
    ) -> Self {
        Self {
            settings,
            terminal,
            columns: None,
            message_columns: None,
            styles: (Style::default(), Style::default()),
            names: Arc::default(),
            streams: Arc::new(Mutex::new(Streams { out, err, fault: None })),
        }
    }

    /// The same output, whose documents call releases by these names too.
    #[must_use]
    pub fn naming(&self, names: &ReleaseNames) -> Self {
        Self { names: Arc::new(names.clone()), ..self.clone() }
    }

    /// Whether data is wanted as JSON.
    pub const fn json(&self) -> bool {
        self.settings.json
    }

    /// Whether each phase of a host is wanted as well.
    pub const fn verbose(&self) -> bool {
        self.settings.verbose
    }

    /// Whether progress may be drawn on stderr: it is a terminal, and neither JSON nor silence was asked for.
    pub const fn draws(&self) -> bool {
        self.terminal && !self.settings.json && !self.settings.quiet
    }

    /// How wide the screen is on which data is looked at; none, if a program or a file takes it.
    pub const fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// How data is coloured.
    pub const fn style(&self) -> Style {
        self.styles.0
    }

    /// How messages are coloured.
    pub const fn message_style(&self) -> Style {
        self.styles.1
    }

    /// Data for people, on stdout. What comes from an updater has been through
    /// [`plain`] before; a [`Table`](crate::output::Table) does that itself.
    pub fn data(&self, text: &str) {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.streams().write_out(&format!("{text}{end}"));
    }

    /// One JSON document, on stdout.
    pub fn document(&self, document: &impl Serialize) {
        self.serialised(pretty_document(document, &|digest| self.version_of(digest)));
    }

    /// One JSON document on one line, on stdout, for what runs.
    pub fn line(&self, document: &impl Serialize) {
        self.serialised(document_line(document, &|digest| self.version_of(digest)));
    }

    /// A message for the operator who watches, on stderr. With `--json` or `--quiet` there is none: stderr
    /// is for errors then.
    pub fn note(&self, text: &str) {
        let text = plain(text);
        match self.message_columns {
            Some(columns) => self.painted_note(&wrapped(&text, columns).join("\n")),
            None => self.painted_note(&text),
        }
    }

    /// The same, of which each part has been made plain and painted.
    pub(crate) fn painted_note(&self, text: &str) {
        if !self.settings.json && !self.settings.quiet {
            self.streams().write_err(&format!("{text}\n"));
        }
    }

    /// A failure, on stderr: text, or with `--json` one line of JSON.
    pub fn failure(&self, failure: &Failure) {
        let text = if self.json() {
            format!("{}\n", plain_json(&failure.json()))
        } else {
            let (first, rest) = ("error:", failure.text());
            let rest = rest.strip_prefix(first).unwrap_or(&rest);
            format!("{}{rest}", self.message_style().paint(Tone::Bad, first))
        };
        self.streams().write_err(&text);
    }

    /// Whether something went wrong with the writing: the reader may have left.
    pub fn is_broken(&self) -> bool {
        self.streams().fault.is_some()
    }

    /// What went wrong with the writing, if something did. A reader that left is no fault.
    pub fn finish(&self) -> Result<(), OutputError> {
        let mut streams = self.streams();
        let Streams { out, err, .. } = &mut *streams;
        let flushed = out.flush().and_then(|()| err.flush());
        streams.keep(flushed);
        match streams.fault.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
            _ => Ok(()),
        }
    }

    fn version_of(&self, digest: &str) -> Option<String> {
        self.names.version(&digest.parse().ok()?).map(str::to_owned)
    }

    fn serialised(&self, text: serde_json::Result<String>) {
        let mut streams = self.streams();
        match text {
            Ok(text) => streams.write_out(&format!("{}\n", plain_json(&text))),
            Err(error) => streams.keep(Err(error.into())),
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn write_out(&mut self, text: &str) {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.keep(written);
    }

    fn write_err(&mut self, text: &str) {
        let written = self.err.write_all(text.as_bytes());
        self.keep(written);
    }

    fn keep(&mut self, result: io::Result<()>) {
        if let (Err(error), None) = (result, &self.fault) {
            self.fault = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::{Captured, Stream, captured};

    struct Refuses(io::ErrorKind);

    impl Write for Refuses {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn data_and_messages_go_apart() {
        let Captured { output, out, err } = captured(false);
        output.data("a table");
        output.note("a \u{1b}[1mword");
        assert_eq!(out.text(), "a table\n");
        assert_eq!(err.text(), "a \\u{1b}[1mword\n");
        assert!(output.finish().is_ok());
    }

    #[test]
    fn what_is_quiet_has_its_data_and_its_errors() {
        let (out, err) = (Stream::default(), Stream::default());
        let settings = OutputSettings { quiet: true, ..OutputSettings::default() };
        let output = Output::new(settings, true, Box::new(out.clone()), Box::new(err.clone()));
        assert!(!output.draws());
        output.note("batch 1 of 2");
        output.data("1 host: 1 updated");
        output.failure(&Failure::from(OutputError(io::Error::other("full"))));
        assert_eq!(out.text(), "1 host: 1 updated\n");
        assert_eq!(err.text(), "error: failed to write the output\ncaused by: full\n");
    }

    #[test]
    fn with_json_there_is_nothing_but_json() {
        let Captured { output, out, err } = captured(true);
        output.note("a word");
        output.line(&serde_json::json!({"type": "a"}));
        output.failure(&Failure::from(OutputError(io::Error::other("full"))));
        assert_eq!(out.text(), "{\"type\":\"a\"}\n");
        let error: serde_json::Value = serde_json::from_str(&err.text()).unwrap();
        assert_eq!(error["error"]["causes"][0], "full");
    }

    #[test]
    fn a_reader_that_left_is_no_fault_and_a_full_disk_is_one() {
        for (kind, ended_well) in
            [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)]
        {
            let output = Output::new(
                OutputSettings::default(),
                false,
                Box::new(Refuses(kind)),
                Box::new(io::sink()),
            );
            output.data("one");
            output.data("two");
            assert_eq!(output.finish().is_ok(), ended_well, "{kind:?}");
        }
    }
}
