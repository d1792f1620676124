//! A rollout on a screen of so many columns and lines: what it does, and the hosts that matter most.

use std::fmt::Write as _;

use protocol::HostOutcome;
use time::OffsetDateTime;

use crate::output::{plain, span};
use crate::rollout::engine::{Host, HostStatus, PlannedHost, State, counts, waits_for};

/// Lines that are not hosts, besides what it waits for: three above, one below.
const OTHERS: usize = 4;

/// Draws it. Hosts that failed come first, then those under way, then those that are done, then those
/// that wait; as many as fit.
pub fn frame(
    state: &State,
    started_at: OffsetDateTime,
    now: OffsetDateTime,
    (columns, lines): (usize, usize),
) -> String {
    let mut hosts: Vec<_> = state.hosts().collect();
    hosts.sort_by_key(|(_, host)| rank(host));
    let width = hosts.iter().map(|(planned, _)| planned.host.as_str().len()).max().unwrap_or(0);
    let waits = wrapped(&plain(&waits_for(state)), columns);
    let places = lines.saturating_sub(OTHERS + waits.len()).max(1);
    let all = hosts.len();
    let counted: Vec<_> =
        counts(state).iter().map(|(name, count)| format!("{count} {name}")).collect();
    let passed = (now - started_at).whole_milliseconds();
    let passed = span(u64::try_from(passed).unwrap_or(0));
    let mut text = String::new();
    let mut line = |words: &str| {
        let _infallible = writeln!(text, "{}", cut(&plain(words), columns));
    };
    for words in &waits {
        line(words);
    }
    line(&bar(state, columns));
    line(&format!("{} hosts after {passed}: {}", all, counted.join(", ")));
    line("");
    for (planned, host) in hosts.iter().take(places) {
        line(&format!("{:width$}  {}", planned.host, words(planned, host, now)));
    }
    if all > places {
        line(&format!("and {} more", all - places));
    }
    text
}

/// What matters most comes first.
fn rank(host: &Host) -> u8 {
    match (host.status, host.row.as_ref().map(|row| row.outcome)) {
        (HostStatus::Done, Some(HostOutcome::Updated | HostOutcome::AlreadyCurrent)) => 2,
        (HostStatus::Done, Some(HostOutcome::Skipped)) => 4,
        (HostStatus::Done, _) => 0,
        (HostStatus::Pending, _) => 3,
        _ => 1,
    }
}

fn words(planned: &PlannedHost, host: &Host, now: OffsetDateTime) -> String {
    let since = u64::try_from((now - host.since).whole_milliseconds()).unwrap_or(0);
    let why = host.row.as_ref().and_then(|row| row.detail.as_deref());
    match (host.status, why) {
        (HostStatus::Updating(phase) | HostStatus::Returning(phase), _) => {
            format!("{} ({phase}) for {}", host.name(), span(since))
        }
        (HostStatus::Pending, _) => format!("{}, {}", host.name(), planned.action.name()),
        (_, Some(why)) => format!("{}: {why}", host.name()),
        (HostStatus::Done, None) => host.name().to_owned(),
        (_, None) => format!("{} for {}", host.name(), span(since)),
    }
}

/// How much is done, as wide as the screen.
fn bar(state: &State, columns: usize) -> String {
    let all = state.hosts().count().max(1);
    let done = state.hosts().filter(|(_, host)| host.status == HostStatus::Done).count();
    let room = columns.saturating_sub(2).min(60);
    let filled = done * room / all;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(room - filled))
}

/// All of a text, in lines that fit.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + word.chars().count() < columns
        });
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A line that fits.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut text: String = text.chars().take(columns.saturating_sub(1)).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rollout::engine::testing::{Fate, plan_of, policy, run};
    use crate::store::testing::at;

    #[test]
    fn what_failed_comes_first_and_everything_fits_80_columns() {
        let rig = run(
            500,
            "batch=10% parallel=4 row=2",
            &[(3, Fate::Full), (7, Fate::Bad), (8, Fate::Bad)],
        );
        let text = frame(&rig.state, at(0), at(75), (80, 16));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(text.lines().count(), 16);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_plan_that_nobody_drives_is_drawn_too() {
        let state = State::planned(Arc::new(plan_of(3, policy(""))), at(0));
        insta::assert_snapshot!(frame(&state, at(0), at(5), (80, 24)));
    }
}
