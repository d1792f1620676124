//! `swarm logs`: what a program on a host prints.

use std::cell::Cell;

use clap::Args;
use control::fleet::Fleet;
use control::interrupt::Interrupt;
use control::updater_client::{ClientError, LogsQuery};
use explain::{Exit, Explain, Failure, plain};
use protocol::{AppName, HostName, LogItem, MOST_LOG_LINES};
use serde::Serialize;

use crate::cli::Context;
use crate::cli::count::whole;
use crate::cli::runtime::block_on;

/// The words of `swarm logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// Go on with what is printed from now on, until Ctrl-C: for 10 minutes at most
    #[arg(long, short = 'f', conflicts_with = "previous")]
    follow: bool,

    /// The app
    #[arg(long, value_name = "APP", default_value = protocol::DEFAULT_APP)]
    app: AppName,

    /// Show the run before the last one: of a program that crashed, what it printed before that
    #[arg(long)]
    previous: bool,

    /// Number of lines, the latest ones: 10000 at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = lines)]
    lines: u32,
}

fn lines(text: &str) -> Result<u32, String> {
    let lines = whole(text)?;
    match usize::try_from(lines) {
        Ok(number) if number <= MOST_LOG_LINES => Ok(lines),
        _ => Err(format!("at most {MOST_LOG_LINES} lines are shown")),
    }
}

/// A line, for programs.
#[derive(Debug, Serialize)]
struct LogDocument<'a> {
    host: &'a HostName,
    app: &'a AppName,
    #[serde(flatten)]
    item: LogItem,
}

impl LogsArgs {
    /// Asks the host.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { home, store, output, .. } = context;
        let host = store.host(&self.host)?;
        let client = Fleet::open(home, store, context.timeouts)?.client(&host);
        let query = LogsQuery {
            app: self.app.clone(),
            lines: usize::try_from(self.lines).unwrap_or(MOST_LOG_LINES),
            follow: self.follow,
            previous: self.previous,
        };
        let shown_any = Cell::new(false);
        let show = |item| {
            shown_any.set(true);
            if output.json() {
                output.line(&LogDocument { host: &self.host, app: &self.app, item });
            } else {
                match item {
                    LogItem::Line(line) => output.data(&format!("{}\n", shown(&line))),
                    LogItem::Note(note) => output.note(&note),
                    LogItem::Quiet => {}
                }
            }
            !output.is_broken()
        };
        let read = async {
            let client = client?;
            client.logs(&query, show).await
        };
        let ended = block_on(async {
            let interrupt = Interrupt::listen()?;
            Ok::<_, Failure>(tokio::select! {
                ended = read => Some(ended),
                () = interrupt.asked(1) => None,
            })
        })??;
        match ended {
            Some(Ok(())) => {
                if !shown_any.get() && self.lines > 0 {
                    output.note("nothing was printed in this run");
                }
                Ok(Exit::Success)
            }
            None => Ok(Exit::Interrupted),
            Some(Err(source)) => Err(LogsError { host: self.host.clone(), source }.into()),
        }
    }
}

/// A line as the program has it, tabs among it; what would move a terminal is escaped, whatever its updater
/// has let through.
fn shown(line: &str) -> String {
    line.split('\t').map(plain).collect::<Vec<_>>().join("\t")
}

/// What a program prints could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read what {host}'s program prints")]
struct LogsError {
    host: HostName,
    source: ClientError,
}

impl Explain for LogsError {
    fn hint(&self) -> Option<String> {
        let Self { host, source } = self;
        source.is_of_older_updater().then(|| {
            format!(
                "the updater on {host} is older than `swarm logs`; update it: swarm update {host} --self-only"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_tabs_and_moves_no_terminal() {
        assert_eq!(shown("a\tb\u{1b}[2J\u{202e}"), "a\tb\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn more_lines_than_an_updater_gives_are_refused() {
        assert_eq!(lines("10000"), Ok(10_000));
        assert!(lines("10001").is_err() && lines("-1").is_err());
    }
}
