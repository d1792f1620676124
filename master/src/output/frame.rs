//! A rollout on a screen of so many columns and lines: what it does, and the hosts that matter most.

use std::fmt::Write as _;

use control::rollout::{Estimate, RolloutStatus};
use engine::{Host, HostStatus, PlannedHost, Weight, by_weight, counts, waits_for};
use explain::{plain, span};
use time::OffsetDateTime;

use crate::output::{cut, wrapped};

/// Lines that are not hosts, besides those above the bar: the bar, the counts and an empty one, and
/// one below.
const OTHERS: usize = 4;

/// Draws it. Hosts that failed come first, then those under way, then those that are done, then those
/// that wait; as many as fit.
pub fn frame(
    rollout_status: &RolloutStatus,
    expected: Option<&Estimate>,
    now: OffsetDateTime,
    (columns, lines): (usize, usize),
) -> String {
    let state = &rollout_status.state;
    let hosts = by_weight(state);
    let width = hosts.iter().map(|(_, planned, _)| planned.host.as_str().len()).max().unwrap_or(0);
    let above: Vec<_> = [
        Some(waits_for(state)),
        rollout_status.abandoned(),
        Some(rollout_status.progress(expected, now)),
    ]
    .into_iter()
    .flatten()
    .flat_map(|words| wrapped(&plain(&words), columns))
    .collect();
    let places = lines.saturating_sub(OTHERS + above.len()).max(1);
    let all = hosts.len();
    let counted: Vec<_> =
        counts(state).iter().map(|(name, count)| format!("{count} {name}")).collect();
    let mut text = String::new();
    let mut line = |words: &str| {
        let _infallible = writeln!(text, "{}", cut(&plain(words), columns));
    };
    for words in &above {
        line(words);
    }
    line(&bar(&hosts, columns));
    line(&counted.join(", "));
    line("");
    for (_, planned, host) in hosts.iter().take(places) {
        line(&format!("{:width$}  {}", planned.host, words(planned, host, now)));
    }
    if all > places {
        line(&format!("and {} more", all - places));
    }
    text
}

fn words(planned: &PlannedHost, host: &Host, now: OffsetDateTime) -> String {
    let since = u64::try_from((now - host.since).whole_milliseconds()).unwrap_or(0);
    let why = host.row.as_ref().and_then(|row| row.detail.as_deref());
    match (host.status, host.phase(), why) {
        (_, Some(phase), _) => format!("{} ({phase}) for {}", host.name(), span(since)),
        (HostStatus::Pending, ..) => format!("{}, {}", host.name(), planned.action.name()),
        (_, _, Some(why)) => format!("{}: {why}", host.name()),
        (HostStatus::Done, ..) => host.name().to_owned(),
        _ => format!("{} for {}", host.name(), span(since)),
    }
}

/// How much is done, as wide as the screen.
fn bar(hosts: &[(Weight, &PlannedHost, &Host)], columns: usize) -> String {
    let all = hosts.len().max(1);
    let done = hosts.iter().filter(|(_, _, host)| host.status == HostStatus::Done).count();
    let room = columns.saturating_sub(2).min(60);
    let filled = done * room / all;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(room - filled))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Event, Request, State};
    use testing::{Fate, Rig, at, driver, plan_of, policy, rollout, run};

    use super::*;

    fn of(state: State, driven: bool) -> RolloutStatus {
        RolloutStatus { rollout: rollout(), state, driver: driven.then(driver) }
    }

    #[test]
    fn what_failed_comes_first_and_everything_fits_80_columns() {
        let rig = run(
            500,
            "batch=10% parallel=4 row=2",
            &[(3, Fate::Full), (7, Fate::Bad), (8, Fate::Bad)],
        );
        let expected = Estimate { seconds: 250, basis: String::new() };
        let text = frame(&of(rig.state, true), Some(&expected), at(75), (80, 16));
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert_eq!(text.lines().count(), 16);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_plan_that_nobody_drives_is_drawn_too() {
        let state = State::planned(Arc::new(plan_of(3, policy(""))), at(0));
        insta::assert_snapshot!(frame(&of(state, false), None, at(5), (80, 24)));
    }

    #[test]
    fn a_rollout_that_was_left_half_way_says_how_to_go_on() {
        let mut rig = Rig::new(plan_of(3, policy("parallel=1")), &[(1, Fate::Never)]);
        rig.send(Event::Driven { who: "ada".to_owned(), epoch: 1 });
        while rig.orders.len() < 2 && rig.one() {}
        insta::assert_snapshot!(frame(&of(rig.state.clone(), false), None, at(5), (80, 24)));
        rig.ask(Request::Abort);
        let over = frame(&of(rig.state, false), None, at(5), (80, 24));
        assert!(!over.contains("resume"), "{over}");
    }
}
