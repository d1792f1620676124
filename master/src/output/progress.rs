//! How a rollout is shown while this process drives it: a line for each host on a terminal, plain lines
//! in a pipe, an event a line with `--json`.
//!
//! What comes from a host is made plain before it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use control::rollout::{Estimate, Observer, ReleaseNames};
use explain::plain;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::HostName;
use serde_json::Value;
use store::{Event, EventType};

use crate::output::Output;

/// The screen of a rollout that this process drives.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    names: &'a ReleaseNames,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    /// The last line. It is drawn every second, and with it what came too fast for the others.
    total: ProgressBar,
    by_host: BTreeMap<HostName, ProgressBar>,
}

impl<'a> Progress<'a> {
    /// `expected` is how long it will take, if that is known.
    pub(crate) fn new(
        output: &'a Output,
        hosts: &[HostName],
        names: &'a ReleaseNames,
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
}

impl Observer for Progress<'_> {
    fn happened(&self, event: &Event) {
        if self.output.json() {
            return self.output.line(event);
        }
        let Some(line) = line(event, self.names) else { return };
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

/// An event as people read it.
struct Line {
    /// The host that it is about; none for the rollout as a whole.
    host: Option<HostName>,
    words: String,
    /// Whether the host is through.
    done: bool,
}

/// The words for an event; none for one that says nothing to people.
fn line(event: &Event, names: &ReleaseNames) -> Option<Line> {
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
