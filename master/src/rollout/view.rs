//! How a rollout is shown: a line for each host on a terminal, plain lines in a pipe, an event a
//! line with `--json`; and a table that stays.
//!
//! What comes from a host is made plain before it is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::{HostName, HostOutcome};

use crate::output::{Output, Table, plain};
use crate::rollout::told::Told;
use crate::rollout::{ReleaseNames, Row, Summary};
use crate::store::{Event, RolloutResult};

/// Lines of output that are shown of one host.
const OUTPUT_LINES: usize = 30;

/// The one who shows it.
pub(super) struct View<'a> {
    output: &'a Output,
    names: ReleaseNames,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    /// The last line. It is drawn every second, and with it what came too fast for the others.
    total: ProgressBar,
    by_host: BTreeMap<HostName, ProgressBar>,
}

impl<'a> View<'a> {
    pub(super) fn new(output: &'a Output, hosts: &[HostName], names: ReleaseNames) -> Self {
        Self { output, names, bars: output.draws().then(|| Bars::new(hosts)) }
    }

    /// An event of the rollout as a whole.
    pub(super) fn event(&self, event: &Event) {
        if self.output.json() {
            self.output.line(event);
        }
    }

    /// What a host told, and the event that was made of it.
    pub(super) fn told(&self, told: &Told, event: Option<&Event>) {
        if self.output.json() {
            if let Some(event) = event {
                self.output.line(event);
            }
            return;
        }
        let Some((host, words)) = self.words(told) else { return };
        match &self.bars {
            Some(bars) => bars.say(host, &words, matches!(told, Told::Done(_))),
            // A pipe keeps what it gets: a line for each step would bury the rest.
            None if matches!(told, Told::Progress { .. }) => {}
            None => self.output.note(&format!("{host}: {words}")),
        }
    }

    /// Says what Ctrl-C has done.
    pub(super) fn interrupted(&self) {
        let words = "stopping: no further host is started, and those under way are waited for \
                     (Ctrl-C again leaves them)";
        match &self.bars {
            Some(bars) => drop(bars.all.println(words)),
            None => self.output.note(words),
        }
    }

    /// Takes the lines off the terminal.
    pub(super) fn leave(&self) {
        if let Some(bars) = &self.bars {
            bars.total.finish_and_clear();
            let _ = bars.all.clear();
        }
    }

    /// The end of it.
    pub(super) fn summary(&self, summary: &Summary) {
        self.leave();
        if self.output.json() {
            self.output.line(summary);
        } else {
            self.output.data(&text(summary, &self.names));
        }
        if summary.result == RolloutResult::Interrupted {
            self.output.note(
                "to go on, give the same command again: hosts that have the release are left alone",
            );
        }
        if summary.hosts.iter().any(|row| row.code.as_deref() == Some("quarantined")) {
            self.output.note(
                "to try a quarantined release again, give the same command with \
                 --retry-quarantined",
            );
        }
    }

    fn words<'b>(&self, told: &'b Told) -> Option<(&'b HostName, String)> {
        match told {
            Told::Ordered { .. } => None,
            Told::Phase { host, phase, detail } => {
                let why = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
                Some((host, format!("{phase}{why}")))
            }
            Told::Progress { host, bytes, total } => {
                Some((host, format!("sending {} of {}", HumanBytes(*bytes), HumanBytes(*total))))
            }
            Told::Own { host } => Some((host, "updating the updater".to_owned())),
            Told::Done(row) => {
                let to = self.names.of(row.to.as_ref());
                let runs = if to.is_empty() { to } else { format!(", runs {to}") };
                Some((&row.host, format!("{}{runs}", row.outcome)))
            }
        }
    }
}

impl Bars {
    fn new(hosts: &[HostName]) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let width = hosts.iter().map(|host| host.as_str().len()).max().unwrap_or_default();
        // The template is our own: a fault in it is shown by what it does not show.
        let style = ProgressStyle::with_template("{prefix}  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let by_host = hosts.iter().map(|host| {
            let bar = all.add(ProgressBar::new_spinner().with_style(style.clone()));
            bar.set_prefix(format!("{host:width$}"));
            bar.set_message("waiting");
            (host.clone(), bar)
        });
        let by_host = by_host.collect();
        let style = ProgressStyle::with_template("{pos} of {len} done after {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let total = all.add(ProgressBar::new(hosts.len() as u64).with_style(style));
        total.enable_steady_tick(Duration::from_secs(1));
        Self { all, total, by_host }
    }

    fn say(&self, host: &HostName, words: &str, done: bool) {
        let Some(bar) = self.by_host.get(host) else { return };
        let words = plain(words);
        if done {
            bar.finish_with_message(words);
            self.total.inc(1);
        } else {
            bar.set_message(words);
            bar.tick();
        }
    }
}

/// The table, the last lines of what failed, and one line that sums it up.
fn text(summary: &Summary, names: &ReleaseNames) -> String {
    let mut table = Table::new(["HOST", "OUTCOME", "FROM", "TO", "TIME", "WHY"]);
    for row in &summary.hosts {
        table.row([
            row.host.as_str(),
            row.outcome.name(),
            &names.of(row.from.as_ref()),
            &names.of(row.to.as_ref()),
            &time(row.duration_ms),
            &why(row),
        ]);
    }
    let outputs = summary.hosts.iter().filter(|row| !row.output.is_empty()).map(output);
    let outputs: String = outputs.collect();
    format!("{}{outputs}\n{}\n", table.render(), counts(&summary.hosts))
}

/// The code and the words. A code that only says the outcome again is left out.
fn why(row: &Row) -> String {
    let code = row.code.as_deref().filter(|code| *code != row.outcome.name());
    let detail = row.detail.as_deref().filter(|detail| Some(*detail) != code);
    let words: Vec<_> = [code, detail].into_iter().flatten().collect();
    words.join(": ")
}

fn output(row: &Row) -> String {
    let first = row.output.len().saturating_sub(OUTPUT_LINES);
    let mut text = format!("\n{}: the last lines of its output\n", row.host);
    for line in &row.output[first..] {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
}

fn time(milliseconds: u64) -> String {
    let time = Duration::from_millis(milliseconds);
    match time.as_secs() {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

fn counts(rows: &[Row]) -> String {
    let kinds = [
        HostOutcome::Updated,
        HostOutcome::AlreadyCurrent,
        HostOutcome::RolledBack,
        HostOutcome::Failed,
        HostOutcome::Unreachable,
        HostOutcome::Stranded,
        HostOutcome::Skipped,
    ];
    let counted = kinds.iter().filter_map(|kind| {
        let count = rows.iter().filter(|row| row.outcome == *kind).count();
        (count > 0).then(|| format!("{count} {}", kind.name().replace('_', " ")))
    });
    let hosts = if rows.len() == 1 { "host" } else { "hosts" };
    format!("{} {hosts}: {}", rows.len(), counted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use protocol::Digest;

    use super::*;
    use crate::rollout::Goal;

    fn summary() -> Summary {
        let (old, new) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let row = |host: &str, outcome| Row {
            from: Some(old),
            to: Some(new),
            duration_ms: 1234,
            ..Row::new(&host.parse().unwrap(), outcome)
        };
        let bad = Row {
            to: Some(old),
            code: Some("rolled_back".to_owned()),
            detail: Some("its agent \u{1b}[31mdied\nat once".to_owned()),
            output: vec!["Traceback:".to_owned(), "\u{1b}]0;boom\u{7}".to_owned()],
            duration_ms: 75_000,
            ..row("web-1", HostOutcome::RolledBack)
        };
        let rows = vec![bad, row("db-1", HostOutcome::Updated)];
        Summary::of(&crate::rollout::testing::order(Goal::Activate(new)), rows)
    }

    #[test]
    fn the_table_has_a_row_for_each_host_and_the_output_of_what_failed() {
        let mut names = ReleaseNames::default();
        names.learn(Digest::from_bytes([1; 32]), Some("1.0"));
        insta::assert_snapshot!(text(&summary(), &names), @r"
        HOST   OUTCOME      FROM            TO              TIME      WHY
        db-1   updated      1.0 (01010101)  02020202        1.2 s     -
        web-1  rolled_back  1.0 (01010101)  1.0 (01010101)  1 m 15 s  its agent \u{1b}[31mdied\nat once

        web-1: the last lines of its output
          | Traceback:
          | \u{1b}]0;boom\u{7}

        2 hosts: 1 updated, 1 rolled back
        ");
    }

    #[test]
    fn the_last_line_of_json_is_the_summary() {
        let value = serde_json::to_value(summary()).unwrap();
        assert_eq!(value["type"], "rollout.summary");
        assert_eq!(value["result"], "failed");
        let row = value["hosts"][0].as_object().unwrap();
        for key in ["host", "outcome", "code", "from", "to", "duration_ms", "detail"] {
            assert!(row.contains_key(key), "{key}");
        }
    }
}
