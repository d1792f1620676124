//! How a rollout is shown: a line for each host on a terminal, plain lines in a pipe, an event a
//! line with `--json`; and a table that stays.
//!
//! What comes from a host is made plain before it is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use control::rollout::{Estimate, Observer, ReleaseNames, Summary};
use engine::Row;
use explain::{plain, span};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::{HostName, HostOutcome};
use serde_json::Value;
use store::{Event, EventType, RolloutResult};

use crate::output::{Output, Table};

/// Lines of output that are shown of one host.
const OUTPUT_LINES: usize = 30;

/// The screen of a rollout that this process drives.
pub(crate) struct View<'a> {
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
    /// `expected` is how long it will take, if that is known.
    pub(crate) fn new(
        output: &'a Output,
        hosts: &[HostName],
        names: ReleaseNames,
        expected: Option<&Estimate>,
    ) -> Self {
        Self { output, names, bars: output.draws().then(|| Bars::new(hosts, expected)) }
    }

    /// Takes the lines off the terminal.
    pub(crate) fn leave(&self) {
        if let Some(bars) = &self.bars {
            bars.total.finish_and_clear();
            let _ = bars.all.clear();
        }
    }

    /// Shows what the rollout came to.
    pub(crate) fn summary(&self, summary: &Summary) {
        if self.output.json() {
            self.output.line(summary);
        } else {
            self.output.data(&text(summary, &self.names, self.output.columns()));
        }
        // A note is one line: what is in it is made plain.
        for line in how_to_go_on(summary).iter().flat_map(|words| words.lines()) {
            self.output.note(line);
        }
        if summary.hosts.iter().any(|row| row.code.as_deref() == Some("quarantined")) {
            self.output.note(
                "to try a quarantined release again, give the same command with \
                 --retry-quarantined",
            );
        }
    }
}

impl Observer for View<'_> {
    fn happened(&self, event: &Event) {
        if self.output.json() {
            return self.output.line(event);
        }
        let Some(line) = line(event, &self.names) else { return };
        match (&self.bars, &line.host) {
            (Some(bars), Some(host)) => bars.say(host, &line.words, line.done),
            // A pipe keeps what it gets: a line for each step would bury the rest.
            (None, _) if event.kind == EventType::HostProgress => {}
            (None, Some(host)) => self.note(&format!("{host}: {}", line.words)),
            (_, None) => self.note(&line.words),
        }
    }

    fn stopping(&self) {
        self.note(
            "stopping: no further host is started, and those under way are waited for (Ctrl-C \
             again leaves them)",
        );
    }

    fn note(&self, words: &str) {
        match &self.bars {
            Some(bars) => drop(bars.all.println(plain(words))),
            None => self.output.note(words),
        }
    }
}

/// What has to be typed next, if the rollout is not over.
fn how_to_go_on(summary: &Summary) -> Option<String> {
    let id = summary.rollout;
    Some(match summary.result {
        RolloutResult::Interrupted => format!("to go on: swarm rollout resume {id}"),
        RolloutResult::AwaitingApproval => format!(
            "{}\nto go on: swarm rollout approve {id} --digest {}\nto end it: swarm rollout reject \
             {id}",
            summary.detail, summary.plan
        ),
        RolloutResult::Paused => format!(
            "{}\nto go on: swarm rollout continue {id}\nto take back what it did: swarm rollout \
             rollback {id}\nto leave all as it is: swarm rollout abort {id}",
            summary.detail
        ),
        _ => return None,
    })
}

/// An event as people read it.
pub(crate) struct Line {
    /// The host that it is about; none for the rollout as a whole.
    pub(crate) host: Option<HostName>,
    pub(crate) words: String,
    /// Whether the host is through.
    pub(crate) done: bool,
}

/// The words for an event; none for one that says nothing to people.
pub(crate) fn line(event: &Event, names: &ReleaseNames) -> Option<Line> {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| event.data.get(key).and_then(Value::as_u64).unwrap_or_default();
    let because = |words: &str, key| match text(key) {
        "" => words.to_owned(),
        why => format!("{words}: {why}"),
    };
    let words = match event.kind {
        EventType::HostPhase => because(&text("phase").replace('_', " "), "detail"),
        EventType::HostProgress => {
            format!("sending {} of {}", HumanBytes(number("bytes")), HumanBytes(number("total")))
        }
        EventType::HostUpdated | EventType::HostFailed | EventType::HostRolledBack => {
            let to = names.of(event.release.as_ref());
            let runs = if to.is_empty() { to } else { format!(", runs {to}") };
            format!("{}{runs}", text("outcome"))
        }
        EventType::RolloutBatchStarted if number("of") > 1 => {
            let canary = event.data.get("canary") == Some(&Value::Bool(true));
            let canary = if canary { " (the canary)" } else { "" };
            let (batch, of, hosts) = (number("batch"), number("of"), number("hosts"));
            format!("batch {batch} of {of}{canary}: hosts {hosts}")
        }
        EventType::RolloutTripped => because("the breaker tripped", "why"),
        EventType::RolloutPaused => because("paused", "why"),
        EventType::RolloutResumed => format!("{} goes on with it", event.who),
        EventType::RolloutApproved => format!("{} approved it", event.who),
        EventType::RolloutRollingBack => "taking back what was done".to_owned(),
        EventType::RolloutAborted => because("aborted", "why"),
        EventType::ReleaseQuarantined => {
            let release = names.of(event.release.as_ref());
            return Some(Line {
                host: None,
                words: format!("{release} is quarantined for the whole fleet: it failed here"),
                done: false,
            });
        }
        _ => return None,
    };
    let done = matches!(
        event.kind,
        EventType::HostUpdated | EventType::HostFailed | EventType::HostRolledBack
    );
    Some(Line { host: event.host.clone(), words, done })
}

impl Bars {
    fn new(hosts: &[HostName], expected: Option<&Estimate>) -> Self {
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
        let expected = expected.map(|expected| format!(", {}", expected.words()));
        let template =
            format!("{{pos}} of {{len}} done after {{elapsed}}{}", expected.unwrap_or_default());
        let style = ProgressStyle::with_template(&template)
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
fn text(summary: &Summary, names: &ReleaseNames, columns: Option<usize>) -> String {
    let headings = ["HOST", "OUTCOME", "FROM", "TO", "TIME", "WHY"];
    let mut table = Table::new(headings).within(columns);
    for row in &summary.hosts {
        table.row([
            row.host.as_str(),
            row.outcome.name(),
            &names.of(row.from.as_ref()),
            &names.of(row.to.as_ref()),
            &span(row.duration_ms),
            &row.why(),
        ]);
    }
    let outputs = summary.hosts.iter().filter(|row| !row.output.is_empty()).map(output);
    let outputs: String = outputs.collect();
    format!("{}{outputs}\n{}\n", table.render(), counts(&summary.hosts))
}

fn output(row: &Row) -> String {
    let first = row.output.len().saturating_sub(OUTPUT_LINES);
    let mut text = format!("\n{}: the last lines of its output\n", row.host);
    for line in &row.output[first..] {
        let _infallible = writeln!(text, "  | {}", plain(line));
    }
    text
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
    use store::RolloutId;

    use super::*;

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
        let id = "019a5c26-0000-7000-8000-000000000001";
        Summary {
            kind: "rollout.summary",
            rollout: serde_json::from_value::<RolloutId>(id.into()).unwrap(),
            result: RolloutResult::Failed,
            detail: String::new(),
            plan: old,
            release: Some(new),
            hosts: vec![row("db-1", HostOutcome::Updated), bad],
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_host_and_the_output_of_what_failed() {
        let mut names = ReleaseNames::default();
        names.learn(Digest::from_bytes([1; 32]), Some("1.0"));
        insta::assert_snapshot!(text(&summary(), &names, None), @r"
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
        let row = value["hosts"][1].as_object().unwrap();
        for key in ["host", "outcome", "code", "from", "to", "duration_ms", "detail"] {
            assert!(row.contains_key(key), "{key}");
        }
    }
}
