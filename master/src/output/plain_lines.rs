//! A rollout in a pipe, a log of CI or on a terminal that cannot be drawn on: a line a batch and a line a
//! host's end, with times; each phase where that is asked for.
//!
//! What comes from a host is made plain before it is printed.

use control::rollout::ReleaseNames;
use engine::{HostStep, Notice, NoticeBody, QuarantineScope, Question, Urgency};
use explain::{clock, plain, span};
use protocol::HostName;
use store::Event;

use crate::output::outcome_words::outcome_word;
use crate::output::summary_table::why;
use crate::output::{Style, Tone};

/// The line for what happened; none for what says nothing to people. `verbose`: phases too.
pub(crate) fn plain_line(
    event: &Event,
    names: &ReleaseNames,
    verbose: bool,
    style: Style,
) -> Option<String> {
    let notice = event.notice()?;
    let (tone, words) = match &notice.body {
        NoticeBody::HostPhase(step) if verbose => (Tone::Plain, phase_words(&notice, step)?),
        NoticeBody::HostPhase(_) | NoticeBody::HostProgress { .. } => return None,
        NoticeBody::HostUpdated(_)
        | NoticeBody::HostFailed(_)
        | NoticeBody::HostUnclear(_)
        | NoticeBody::HostRolledBack(_) => host_words(&notice, names)?,
        _ => rollout_words(&notice, &event.who, names)?,
    };
    Some(format!("{}  {}", clock(event.time), style.paint(tone, &plain(&words))))
}

/// What is told of the rollout as a whole, and how bad it is.
pub(crate) fn rollout_words(
    notice: &Notice,
    who: &str,
    names: &ReleaseNames,
) -> Option<(Tone, String)> {
    let release = names.of(notice.release.as_ref());
    let told = |words: String| Some((Tone::Plain, words));
    let asks = |words: String| Some((Tone::Warning, words));
    let fails = |words: String| Some((Tone::Bad, words));
    match &notice.body {
        NoticeBody::BatchStarted { batch, of, extended: true, .. } => told(format!(
            "batch {batch} of {of} has proved nothing so far: the next host takes its turn"
        )),
        NoticeBody::BatchStarted { batch, of, hosts, canary, .. } => {
            let canary = if *canary { " (the canary)" } else { "" };
            let plural = if *hosts == 1 { "" } else { "s" };
            told(format!("batch {batch} of {of}{canary}: {hosts} host{plural}"))
        }
        NoticeBody::Tripped { why, .. } => fails(because("stopped", why)),
        NoticeBody::Paused(Question::Answer { why }) => asks(because("paused", why)),
        NoticeBody::Paused(Question::Approval { gate, .. }) => {
            asks(format!("paused: an operator has to approve {gate}"))
        }
        NoticeBody::Resumed { .. } => told(format!("{who} goes on with it")),
        NoticeBody::Approved { because: why, .. } => {
            told(because(&format!("{who} approved it"), why.as_deref().unwrap_or_default()))
        }
        NoticeBody::RollingBack => asks("taking back what was done".to_owned()),
        NoticeBody::Aborted { why } => asks(because("aborted", why)),
        // It is about more than the host on which it was seen.
        NoticeBody::ReleaseQuarantined { holds, hosts, .. } => match holds {
            QuarantineScope::Fleet => {
                let hosts = listed(hosts);
                fails(format!("{release} is quarantined for the whole fleet: it failed on {hosts}"))
            }
            QuarantineScope::Host => {
                let place = notice.host.as_ref().map_or("a host", HostName::as_str);
                fails(format!("{release} is quarantined on {place}: it failed there"))
            }
        },
        NoticeBody::ReleaseForgiven { because } => {
            told(format!("{release} is not quarantined any more: {because}"))
        }
        _ => None,
    }
}

fn phase_words(notice: &Notice, step: &HostStep) -> Option<String> {
    let host = notice.host.as_ref()?;
    Some(match step {
        HostStep::Phase { phase, detail } => {
            because(&format!("{host}  {phase}"), detail.as_deref().unwrap_or_default())
        }
        HostStep::UpdatingSelf { .. } => format!("{host}  updating_self"),
    })
}

/// `web-1  updated  1.5.0 -> 1.6.0, 8.1 s`, or why it is not.
fn host_words(notice: &Notice, names: &ReleaseNames) -> Option<(Tone, String)> {
    let result = notice.result()?;
    let word = outcome_word(result, names);
    let (from, to) = (names.of(result.from.as_ref()), names.of(result.to.as_ref()));
    let runs = match (from.as_str(), to.as_str()) {
        (_, "") => String::new(),
        ("", to) => to.to_owned(),
        (from, to) if from == to => to.to_owned(),
        (from, to) => format!("{from} -> {to}"),
    };
    let took = if result.duration_ms == 0 { String::new() } else { span(result.duration_ms) };
    let said: Vec<_> = [runs, took].into_iter().filter(|word| !word.is_empty()).collect();
    let line = [result.host.to_string(), word.to_owned(), said.join(", ")];
    let line: Vec<_> = line.into_iter().filter(|word| !word.is_empty()).collect();
    let tone = if Urgency::of_result(result) == Urgency::Failed { Tone::Bad } else { Tone::Good };
    Some((tone, because(&line.join("  "), &why(result, names))))
}

/// Names of hosts, one after the other.
fn listed(hosts: &[HostName]) -> String {
    let names: Vec<_> = hosts.iter().map(HostName::as_str).collect();
    if names.is_empty() { "a host".to_owned() } else { names.join(", ") }
}

fn because(words: &str, why: &str) -> String {
    if why.is_empty() { words.to_owned() } else { format!("{words}: {why}") }
}

#[cfg(test)]
mod tests {
    use testing::{HostScript, at, name, rollout, run};

    use super::*;

    #[test]
    fn a_rollout_is_told_by_its_batches_and_by_how_its_hosts_end() {
        let bad = [(3, HostScript::Bad), (4, HostScript::Bad)];
        let mut scripted = run(6, "canary=1 batch=4 parallel=1", &bad);
        scripted.ask(engine::Request::Rollback);
        let events = scripted.told.iter();
        let events = events.map(|it| Event::of_rollout(rollout().id, it, at(0), "ada"));
        let line =
            |event: Event| plain_line(&event, &ReleaseNames::default(), false, Style::default());
        insta::assert_snapshot!(events.filter_map(line).collect::<Vec<_>>().join("\n"));
        let step = HostStep::Phase { phase: protocol::Phase::Building, detail: None };
        let notice =
            Notice { host: Some(name(0)), release: None, body: NoticeBody::HostPhase(step) };
        let phase = Event::of_rollout(rollout().id, &notice, at(0), "ada");
        let line =
            |verbose| plain_line(&phase, &ReleaseNames::default(), verbose, Style::default());
        assert_eq!((line(false), line(true).as_deref()), (None, Some("03:04:05Z  h-0  building")));
    }
}
