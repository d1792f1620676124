//! A rollout on a screen of so many columns and lines: what it does, and the hosts that matter most. One
//! view for every command that follows a rollout, whichever process drives it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use control::rollout::{Estimate, ReleaseNames, RolloutStatus};
use engine::{
    HostActivity, HostProgress, HostState, PlannedHost, Urgency, by_urgency, count_hosts,
    describe_rollout,
};
use explain::{plain, span};
use indicatif::HumanBytes;
use protocol::{HostName, Phase};
use time::OffsetDateTime;

use crate::output::summary_table::why;
use crate::output::{Style, Tone, cut, wrapped};

/// A screen of fewer lines does without what is only nice to have.
const ROOMY: usize = 14;

/// What is drawn.
pub(crate) struct View<'a> {
    pub(crate) status: &'a RolloutStatus,
    pub(crate) names: &'a ReleaseNames,
    pub(crate) expected: Option<&'a Estimate>,
    /// How the orders come along between their phases, where that is known.
    pub(crate) progress: &'a BTreeMap<HostName, HostProgress>,
    /// What is to be said besides.
    pub(crate) messages: Vec<String>,
    pub(crate) style: Style,
    pub(crate) now: OffsetDateTime,
}

/// One host, with all that is said of it.
type Ranked<'a> = (Urgency, &'a PlannedHost, &'a HostState);

/// Draws it: no line is wider than `columns`, and there are no more than `lines`. Hosts that failed come
/// first, then those under way, then those that are done, then those that wait; as many as fit.
pub(crate) fn frame(view: &View<'_>, (columns, lines): (usize, usize)) -> Vec<String> {
    let roomy = lines >= ROOMY;
    let hosts = by_urgency(&view.status.state);
    let mut drawn = head(view, &hosts, columns, roomy);
    drawn.truncate(lines.saturating_sub(2).max(1));
    let places = lines.saturating_sub(drawn.len()).max(1);
    let (shown, hidden) = chosen(&hosts, places);
    let width = shown.iter().map(|(_, planned, _)| planned.host.as_str().chars().count()).max();
    for host in &shown {
        drawn.push(host_line(view, host, width.unwrap_or_default(), columns));
    }
    if !hidden.is_empty() {
        drawn.push(cut(&format!("  and more: {}", counted(&hidden)), columns));
    }
    drawn.truncate(lines.max(1));
    drawn
}

/// What is above the hosts.
fn head(view: &View<'_>, hosts: &[Ranked<'_>], columns: usize, roomy: bool) -> Vec<String> {
    let View { status, names, .. } = view;
    let rollout = &status.rollout;
    let fitted =
        |words: &str| wrapped(&plain(words), columns).into_iter().map(|it| cut(&it, columns));
    let mut lines = Vec::new();
    if roomy {
        lines.extend(fitted(&format!("rollout {}: {}", rollout.id.short(), names.asked(rollout))));
    }
    lines.extend(fitted(&describe_rollout(&status.state)));
    if roomy {
        lines.push(bar(hosts, columns));
    }
    let counts = count_hosts(&status.state);
    let counts =
        counts.iter().map(|(urgency, word, count)| (tone(*urgency), format!("{count} {word}")));
    lines.extend(flowing(&counts.collect::<Vec<_>>(), columns, view.style));
    lines.extend(fitted(&status.progress(view.expected, view.now)));
    for message in &view.messages {
        lines.extend(fitted(message).map(|line| view.style.paint(Tone::Warning, &line)));
    }
    if roomy {
        lines.push(String::new());
    }
    lines
}

/// The hosts that fit into so many lines, and the others. If there are others, a line is theirs.
fn chosen<'a>(hosts: &[Ranked<'a>], places: usize) -> (Vec<Ranked<'a>>, Vec<Ranked<'a>>) {
    if hosts.len() <= places {
        return (hosts.to_vec(), Vec::new());
    }
    let places = places.saturating_sub(1);
    let of = |urgency| hosts.iter().filter(|(it, ..)| *it == urgency).count();
    // However many failed, half of the lines are for what moves.
    let moving = of(Urgency::UnderWay).min(places / 2);
    let failed = of(Urgency::Failed).min(places - moving);
    let (mut shown, mut hidden, mut of_failed) = (Vec::new(), Vec::new(), 0);
    for host in hosts {
        let is_failed = host.0 == Urgency::Failed;
        of_failed += usize::from(is_failed);
        if shown.len() < places && !(is_failed && of_failed > failed) {
            shown.push(*host);
        } else {
            hidden.push(*host);
        }
    }
    (shown, hidden)
}

fn counted(hosts: &[Ranked<'_>]) -> String {
    let mut counts: BTreeMap<(Urgency, &str), usize> = BTreeMap::new();
    for (urgency, _, host) in hosts {
        *counts.entry((*urgency, host.word())).or_default() += 1;
    }
    let words: Vec<_> = counts.iter().map(|((_, word), count)| format!("{count} {word}")).collect();
    words.join(", ")
}

fn host_line(
    view: &View<'_>,
    (urgency, planned, host): &Ranked<'_>,
    width: usize,
    columns: usize,
) -> String {
    let shape = match urgency {
        Urgency::Failed => '✗',
        Urgency::UnderWay => '▸',
        Urgency::Good => '✓',
        Urgency::Waiting | Urgency::LeftOut => '·',
    };
    let width = width.min(columns / 2);
    let name = cut(planned.host.as_str(), width);
    let mut left = columns;
    let mut part = |tone, text: &str| {
        let text = cut(text, left);
        left -= text.chars().count();
        view.style.paint(tone, &text)
    };
    let tone = tone(*urgency);
    let shape = part(tone, &format!("{shape} "));
    let name = part(Tone::Plain, &format!("{name:width$}  "));
    let word = part(tone, &format!("{:11}", host.word()));
    let said = plain(&said(view, planned, host));
    let said = if said.is_empty() { said } else { part(Tone::Plain, &format!("  {said}")) };
    format!("{shape}{name}{word}{said}").trim_end().to_owned()
}

/// What is said of a host besides where it stands.
fn said(view: &View<'_>, planned: &PlannedHost, host: &HostState) -> String {
    let passed = view.now - host.since;
    let since = span(u64::try_from(passed.whole_milliseconds()).unwrap_or(0));
    let progress = view.progress.get(&planned.host);
    match (host.activity, &host.result) {
        (HostActivity::Pending, _) => {
            let batch = view.status.state.batch_of(&planned.host);
            batch.map(|batch| format!("batch {batch}")).unwrap_or_default()
        }
        (HostActivity::Done, Some(result)) if Urgency::of_result(result) == Urgency::Good => {
            let runs = view.names.of(result.to.as_ref());
            match result.duration_ms {
                0 => runs,
                took => format!("{runs}, {}", span(took)),
            }
        }
        (HostActivity::Done, Some(result)) => why(result, view.names),
        (
            HostActivity::Updating(Phase::Watching) | HostActivity::RollingBack(Phase::Watching),
            _,
        ) => {
            let whole = planned.watch(&view.status.state.plan().policy);
            let left = whole.map_or_else(
                || format!("for {since}"),
                |whole| {
                    let left = whole.as_secs_f64() - passed.as_seconds_f64();
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "it is not below 0, and a watch has no more seconds than fit"
                    )]
                    let left = left.max(0.0).ceil() as u64;
                    format!("{} left", in_seconds(left))
                },
            );
            format!("{left}{}", probes(progress))
        }
        (HostActivity::RollingBack(phase), _) => format!("{phase} for {since}{}", probes(progress)),
        (HostActivity::Updating(Phase::Receiving), _) => match progress {
            Some(HostProgress::Sent { bytes, total }) => {
                format!("{} of {}", HumanBytes(*bytes), HumanBytes(*total))
            }
            _ => format!("for {since}"),
        },
        _ => format!("for {since}{}", probes(progress)),
    }
}

fn probes(progress: Option<&HostProgress>) -> String {
    match progress {
        Some(HostProgress::Probed { attempt, passed: true }) => format!(", probe {attempt} passed"),
        Some(HostProgress::Probed { attempt, passed: false }) => {
            format!(", probe {attempt} failed")
        }
        _ => String::new(),
    }
}

fn in_seconds(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { span(seconds * 1000) }
}

/// What it means that a host matters so much.
pub(crate) const fn tone(urgency: Urgency) -> Tone {
    match urgency {
        Urgency::Failed => Tone::Bad,
        Urgency::UnderWay => Tone::Warning,
        Urgency::Good => Tone::Good,
        Urgency::Waiting => Tone::Plain,
        Urgency::LeftOut => Tone::Faint,
    }
}

/// Words with commas between them, in lines that fit.
fn flowing(words: &[(Tone, String)], columns: usize, style: Style) -> Vec<String> {
    let (mut lines, mut used) = (vec![String::new()], 0);
    for (number, (tone, word)) in words.iter().enumerate() {
        let comma = if number + 1 < words.len() { "," } else { "" };
        let word = cut(word, columns.saturating_sub(comma.len()));
        let length = word.chars().count() + comma.len();
        if used > 0 && used + 1 + length > columns {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            let space = if used > 0 { " " } else { "" };
            let _infallible = write!(line, "{space}{}{comma}", style.paint(*tone, &word));
            used += space.len() + length;
        }
    }
    lines
}

/// How much is done, as wide as the screen.
fn bar(hosts: &[Ranked<'_>], columns: usize) -> String {
    let all = hosts.len().max(1);
    let done = hosts.iter().filter(|(_, _, host)| host.activity == HostActivity::Done).count();
    let room = columns.saturating_sub(2).min(60);
    let filled = done * room / all;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(room - filled))
}

#[cfg(test)]
mod tests;
