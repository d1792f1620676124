//! `swarm rollout show ID`.

use api::RolloutDocument;
use clap::Args;
use control::rollout::{Estimate, ReleaseNames, RolloutStatus, rollout_status};
use engine::{HostActivity, HostState, Urgency, by_urgency, count_hosts, describe_rollout};
use explain::{Exit, Failure, plain, span, when};
use protocol::HostName;
use time::OffsetDateTime;

use crate::cli::Context;
use crate::cli::rollout::args::Which;
use crate::output::{Style, Table, tone, wrapped};

/// Of hosts that are as they should be, or wait, or were left out, so many are shown of each kind.
const SHOWN: usize = 10;

/// The words of `swarm rollout show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which rollout.
    #[command(flatten)]
    which: Which,
    /// Show every host, not only the failed ones and those in progress
    #[arg(long)]
    all: bool,
}

impl ShowArgs {
    /// Shows where it stands, host by host.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, output, now, .. } = context;
        let rollout_status = rollout_status(store, store.find_rollout(&self.which.id)?, now())?;
        if output.json() {
            output.document(&RolloutDocument::of(&rollout_status));
        } else {
            let expected = context.rollouts().estimate(rollout_status.state.plan())?;
            let names = ReleaseNames::read(store)?;
            let shown =
                Shown { names: &names, expected: expected.as_ref(), now: now(), all: self.all };
            output.data(&text(&rollout_status, &shown, output.columns(), output.style()));
        }
        Ok(Exit::Success)
    }
}

/// What a rollout is shown with.
struct Shown<'a> {
    names: &'a ReleaseNames,
    expected: Option<&'a Estimate>,
    now: OffsetDateTime,
    /// Every host, however many there are.
    all: bool,
}

/// What it is and how it stands, then the hosts that matter most first, then how many stand where.
fn text(
    rollout_status: &RolloutStatus,
    shown: &Shown<'_>,
    columns: Option<usize>,
    style: Style,
) -> String {
    let RolloutStatus { rollout, state, driver } = rollout_status;
    let Shown { names, expected, now, all } = *shown;
    let driver = driver
        .as_ref()
        .map(|driver| format!("driven by {} (process {})", driver.claim.who, driver.claim.pid));
    let head = [
        Some(format!("rollout {}", rollout.id)),
        Some(format!("{}, {}", names.asked(rollout), when(rollout.started_at))),
        Some(describe_rollout(state)),
        Some(rollout_status.progress(expected, now)),
        driver.or_else(|| rollout_status.abandoned()),
    ];
    let headings = ["HOST", "BATCH", "STATE", "FOR", "WHY"];
    let mut table = Table::new(headings).within(columns).styled(style);
    let mut left = 0;
    let mut kind: Option<(Urgency, usize)> = None;
    for (weight, planned, host) in by_urgency(state) {
        let before = kind.filter(|(before, _)| *before == weight).map_or(0, |(_, count)| count);
        kind = Some((weight, before + 1));
        if weight.is_unremarkable() && before >= SHOWN && !all {
            left += 1;
        } else {
            row(&mut table, rollout_status, &planned.host, host, now);
            table.tone(2, tone(weight));
        }
    }
    let counts: Vec<_> =
        count_hosts(state).iter().map(|(_, word, count)| format!("{count} {word}")).collect();
    let more = match left {
        0 => String::new(),
        left => format!("{left} more, up to date or waiting (--all shows them)\n"),
    };
    let head: Vec<_> = head.into_iter().flatten().map(|line| fitted(&line, columns)).collect();
    let counts = fitted(&counts.join(", "), columns);
    format!("{}\n{}\n{more}{counts}", head.concat(), table.render())
}

fn row(
    table: &mut Table,
    rollout_status: &RolloutStatus,
    name: &HostName,
    host: &HostState,
    now: OffsetDateTime,
) {
    let batch = rollout_status.state.batch_of(name).map(|batch| batch.to_string());
    let passed = u64::try_from((now - host.since).whole_milliseconds()).unwrap_or(0);
    let why = match (host.activity, &host.result) {
        (HostActivity::RollingBack(phase), _) => phase.to_string(),
        (_, Some(row)) => row.reason(),
        (_, None) => String::new(),
    };
    table.row([name.as_str(), &batch.unwrap_or_default(), host.word(), &span(passed), &why]);
}

/// A line, or as many as it takes on a screen.
fn fitted(line: &str, columns: Option<usize>) -> String {
    let line = plain(line);
    let lines = columns.map_or_else(|| vec![line.clone()], |columns| wrapped(&line, columns));
    format!("{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use engine::Event;
    use testing::{HostScript, ScriptedRollout, at, driver, name, plan_of, policy, rollout, run};

    use super::*;
    use protocol::Phase;

    fn of(scripted: &ScriptedRollout, columns: usize, all: bool) -> String {
        let rollout_status =
            RolloutStatus { rollout: rollout(), state: scripted.state.clone(), driver: None };
        let names = ReleaseNames::default();
        let shown = Shown { names: &names, expected: None, now: at(75), all };
        text(&rollout_status, &shown, Some(columns), Style::default())
    }

    #[test]
    fn five_hundred_hosts_are_shown_by_those_that_matter() {
        let fates = [(3, HostScript::Full), (7, HostScript::Bad), (8, HostScript::Bad)];
        let scripted = run(500, "canary=2 batch=10% parallel=4 row=2", &fates);
        let text = of(&scripted, 80, false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
        for columns in [40, 120, 220] {
            insta::assert_snapshot!(format!("show_{columns}"), of(&scripted, columns, false));
        }
        assert!(of(&scripted, 80, true).lines().count() > 500);
    }

    #[test]
    fn a_host_under_way_says_its_phase_and_for_how_long() {
        let mut scripted = ScriptedRollout::new(plan_of(3, policy("parallel=2")), &[]);
        scripted.send(Event::DriverStarted { who: "ada".to_owned(), epoch: 1 });
        scripted.send(Event::PhaseEntered { host: name(0), phase: Phase::Probing, detail: None });
        let rollout_status =
            RolloutStatus { rollout: rollout(), state: scripted.state, driver: Some(driver()) };
        let names = ReleaseNames::default();
        let expected = Estimate { seconds: 250, basis: String::new() };
        let shown = Shown { names: &names, expected: Some(&expected), now: at(12), all: false };
        insta::assert_snapshot!(text(&rollout_status, &shown, None, Style::default()));
    }
}
