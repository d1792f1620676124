//! How a rollout is shown while this process drives it: a line for each host on a terminal, plain lines
//! in a pipe, an event a line with `--json`.
//!
//! What comes from a host is made plain before it is printed.

use std::collections::BTreeMap;
use std::time::Duration;

use control::rollout::{Estimate, Observer, ReleaseNames};
use engine::{HostStep, Notice, NoticeBody, QuarantineScope, Question};
use explain::plain;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::HostName;
use store::Event;

use crate::output::Output;
use crate::output::outcome_words::outcome_word;

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
        let Some(notice) = event.notice() else { return };
        let Some(line) = line(&notice, &event.who, self.names) else { return };
        match (&self.bars, &line.host) {
            (Some(bars), Some(host)) => bars.say(host, &line.words, line.done),
            // A pipe keeps what it gets: a line for each step would bury the rest.
            (None, _) if matches!(notice.body, NoticeBody::HostProgress { .. }) => {}
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

/// What is told, as people read it.
struct Line {
    /// The host that it is about; none for the rollout as a whole.
    host: Option<HostName>,
    words: String,
    /// Whether the host is through.
    done: bool,
}

/// The words for what is told; none for what says nothing to people.
fn line(notice: &Notice, who: &str, names: &ReleaseNames) -> Option<Line> {
    let release = names.of(notice.release.as_ref());
    let words = match &notice.body {
        NoticeBody::HostPhase(HostStep::Phase { phase, detail }) => {
            because(&phase.into_str().replace('_', " "), detail.as_deref().unwrap_or_default())
        }
        NoticeBody::HostPhase(HostStep::UpdatingSelf { .. }) => "updating self".to_owned(),
        NoticeBody::HostProgress { bytes, total } => {
            format!("sending {} of {}", HumanBytes(*bytes), HumanBytes(*total))
        }
        NoticeBody::HostUpdated(result)
        | NoticeBody::HostFailed(result)
        | NoticeBody::HostUnclear(result)
        | NoticeBody::HostRolledBack(result) => {
            let runs = if release.is_empty() { release } else { format!(", runs {release}") };
            let failed = result.target.filter(|target| Some(*target) != notice.release);
            let failed = failed.map(|failed| format!(", not {}", names.of(Some(&failed))));
            let way = (result.from, result.to);
            let word = outcome_word(result.outcome, result.code.is_some(), way, names);
            format!("{word}{runs}{}", failed.unwrap_or_default())
        }
        NoticeBody::BatchStarted { batch, of, extended: true, .. } => {
            format!("batch {batch} of {of} has proved nothing so far: the next host takes its turn")
        }
        NoticeBody::BatchStarted { batch, of, hosts, canary, .. } if *of > 1 => {
            let canary = if *canary { " (the canary)" } else { "" };
            format!("batch {batch} of {of}{canary}: hosts {hosts}")
        }
        NoticeBody::Tripped { why, .. } => because("the breaker tripped", why),
        NoticeBody::Paused(Question::Answer { why }) => because("paused", why),
        NoticeBody::Paused(Question::Approval { .. }) => "paused".to_owned(),
        NoticeBody::Resumed { .. } => format!("{who} goes on with it"),
        NoticeBody::Approved { because: Some(why), .. } => {
            because(&format!("{who} approved it"), why)
        }
        NoticeBody::Approved { because: None, .. } => format!("{who} approved it"),
        NoticeBody::RollingBack => "taking back what was done".to_owned(),
        NoticeBody::Aborted { why } => because("aborted", why),
        // It is about more than the host on which it was seen.
        NoticeBody::ReleaseQuarantined { holds, hosts, .. } => {
            let (place, hosts) = (notice.host.as_ref().map(ToString::to_string), listed(hosts));
            let words = match holds {
                QuarantineScope::Fleet => {
                    format!("{release} is quarantined for the whole fleet: it failed on {hosts}")
                }
                QuarantineScope::Host => {
                    let place = place.unwrap_or_default();
                    format!("{release} is quarantined on {place}: it failed there")
                }
            };
            return Some(Line { host: None, words, done: false });
        }
        NoticeBody::ReleaseForgiven { because } => {
            let words = format!("{release} is not quarantined any more: {because}");
            return Some(Line { host: None, words, done: false });
        }
        NoticeBody::Planned { .. }
        | NoticeBody::Started { .. }
        | NoticeBody::BatchStarted { .. }
        | NoticeBody::BatchCompleted { .. }
        | NoticeBody::Completed { .. }
        | NoticeBody::RolledBack => return None,
    };
    Some(Line { host: notice.host.clone(), words, done: notice.result().is_some() })
}

/// Names of hosts, one after the other.
fn listed(hosts: &[HostName]) -> String {
    let names: Vec<_> = hosts.iter().map(HostName::as_str).collect();
    if names.is_empty() { "a host".to_owned() } else { names.join(", ") }
}

fn because(words: &str, why: &str) -> String {
    if why.is_empty() { words.to_owned() } else { format!("{words}: {why}") }
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

#[cfg(test)]
mod tests {
    use testing::{HostScript, run};

    use super::*;

    #[test]
    fn a_rollout_is_told_line_by_line() {
        let bad = [(3, HostScript::Bad), (4, HostScript::Bad)];
        let mut scripted = run(6, "canary=1 batch=4 parallel=1", &bad);
        scripted.ask(engine::Request::Rollback);
        let lines = scripted.told.iter().filter_map(|notice| {
            let line = line(notice, "ada", &ReleaseNames::default())?;
            let host = line.host.map(|host| format!("{host}: ")).unwrap_or_default();
            Some(format!("{host}{}", line.words))
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }
}
