//! How a plan is shown.

use api::PlanDocument;
use control::rollout::{Estimate, ReleaseNames};
use engine::{Action, BatchRanges, Plan, WorstCase, worst_case};
use explain::{Failure, plain};
use protocol::Migrates;

use crate::cli::Context;
use crate::cli::table_args::TableArgs;
use crate::output::{Table, Tone, wrapped};

/// Shows a plan: host by host, and what it comes to at best and at worst.
pub(super) fn show_plan(
    context: &Context,
    plan: &Plan,
    kept: bool,
    columns: &TableArgs,
) -> Result<(), Failure> {
    let estimate = context.rollouts().estimate(plan)?;
    let names = ReleaseNames::read(&context.store)?;
    if context.output.json() {
        let document = PlanDocument::of(plan, kept, estimate.as_ref());
        context.output.naming(&names).document(&document);
    } else {
        let table = columns.applied(table(plan, &names), &context.output)?;
        context.output.data(&table.render());
        if !columns.is_for_programs() {
            let columns = context.output.columns();
            context.output.data(&below(plan, estimate.as_ref(), kept, columns));
        }
    }
    Ok(())
}

/// A row a host: those first that would not come to what is asked, the others in the plan's order.
fn table(plan: &Plan, names: &ReleaseNames) -> Table {
    let headings = ["HOST", "BATCH", "WOULD", "FROM", "TO", "BYTES", "WHY"];
    let mut table = Table::new(headings).spare(&[5, 3]);
    let division = BatchRanges::of(&plan.batches);
    let mut sorted: Vec<_> = plan.hosts.iter().enumerate().collect();
    sorted.sort_by_key(|(_, host)| tone(host.action) != Tone::Bad);
    for (place, host) in sorted {
        let batch = division.batch_of(place);
        let updater = host.updater.map(|updater| format!("then its updater: {}", updater.short()));
        let domain = host.domain.as_ref().map(|domain| format!("in {domain}"));
        let refused = host.detail.as_ref().map(|detail| match &host.code {
            Some(code) if host.action == Action::Refuse => format!("{code}: {detail}"),
            _ => detail.clone(),
        });
        let why: Vec<_> = [refused, domain, updater].into_iter().flatten().collect();
        table.row([
            host.host.as_str(),
            &batch.map(|batch| (batch + 1).to_string()).unwrap_or_default(),
            host.action.into_str(),
            &names.of(host.from.as_ref()),
            &names.of(host.to.as_ref()),
            &host.bytes.to_string(),
            &why.join("; "),
        ]);
        table.tone(2, tone(host.action));
    }
    table
}

const fn tone(action: Action) -> Tone {
    match action {
        Action::Refuse | Action::Unreachable => Tone::Bad,
        Action::Skip => Tone::Warning,
        Action::AlreadyCurrent => Tone::Good,
        Action::Update | Action::Rollback | Action::UpdateSelf => Tone::Plain,
    }
}

/// What it comes to at best and at worst, and what can be typed next.
fn below(plan: &Plan, estimate: Option<&Estimate>, kept: bool, columns: Option<usize>) -> String {
    let digest = plan.digest();
    let next = if kept {
        format!("to do just this: swarm update --plan {}", digest.short())
    } else {
        "this is a plan: nothing was changed".to_owned()
    };
    let message = plan.message.as_ref().map(|why| format!("why: {why}\n")).unwrap_or_default();
    let migration =
        plan.migration.map(|found| format!("{}\n", migration(found))).unwrap_or_default();
    let text = format!(
        "{}\n{message}{migration}{}\n{}\nplan {digest}\n{next}\n",
        batches(plan),
        breaker(plan),
        time(plan, estimate)
    );
    let fitted = |line: &str| {
        let line = plain(line);
        columns.map_or_else(|| line.clone(), |columns| wrapped(&line, columns).join("\n"))
    };
    let lines: Vec<_> = text.lines().map(fitted).collect();
    format!("\n{}", lines.join("\n"))
}

/// What becomes of stored data.
pub(super) fn migration(found: Migrates) -> String {
    let backup = if found.backup { "it is copied first" } else { "it is not copied first" };
    if found.reversible {
        return format!("the release migrates stored data, and back if it fails; {backup}");
    }
    format!(
        "the release migrates stored data, and this CANNOT BE UNDONE: a host on which it fails stays \
         there, and none goes back without --irreversible; {backup}"
    )
}

fn batches(plan: &Plan) -> String {
    let hosts = count(plan.changed_hosts(), "host");
    let sizes: Vec<_> = plan
        .batches
        .iter()
        .map(|batch| format!("{}{}", batch.hosts, if batch.canary { " (canary)" } else { "" }))
        .collect();
    let batches = match sizes.len() {
        0 | 1 => "at once".to_owned(),
        2..=8 => format!("in batches of {}", sizes.join(", ")),
        many => format!("in {many} batches of {}, … {}", sizes[..2].join(", "), sizes[many - 1]),
    };
    format!(
        "{hosts} of {} would be changed, {batches}, at most {} under way",
        plan.hosts.len(),
        plan.policy.parallel
    )
}

fn breaker(plan: &Plan) -> String {
    let WorstCase { harmed, if_bad_everywhere, hosts } = worst_case(plan);
    let total = plan.total_failure_limit();
    let total = total.map(|total| format!(", or on {total} in all")).unwrap_or_default();
    format!(
        "at most {harmed} of {hosts} hosts can be harmed before it stops; {if_bad_everywhere} if the \
         release fails everywhere\nit stops when the release fails on {} hosts one after the \
         other{total}, counted over the whole rollout{}; then {}",
        plan.policy.max_consecutive_failures,
        if plan.policy.canary > 0 { ", or on a canary" } else { "" },
        plan.policy.on_trip.words()
    )
}

fn time(plan: &Plan, estimate: Option<&Estimate>) -> String {
    let time = match estimate {
        Some(Estimate { seconds, basis }) => {
            format!("about {} min {:02} s ({basis})", seconds / 60, seconds % 60)
        }
        None => format!("how long it takes is not known: no {} has been measured yet", plan.kind),
    };
    format!("{} to send; {time}", indicatif::HumanBytes(plan.bytes()))
}

fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use testing::{plan_of, policy};

    use super::*;

    #[test]
    fn a_plan_says_first_what_it_cannot_do() {
        let mut plan = plan_of(4, policy("canary=1 batch=2"));
        plan.hosts[2].action = Action::Unreachable;
        plan.hosts[2].detail =
            Some("failed to connect to 10.0.0.12:8766: Connection refused".to_owned());
        plan.hosts[3].action = Action::AlreadyCurrent;
        let names = ReleaseNames::default();
        for columns in [40, 80, 120, 220] {
            let table = table(&plan, &names).within(Some(columns)).render();
            let text = format!("{table}{}", below(&plan, None, true, Some(columns)));
            // No word is broken, not even a digest.
            let fits = |line: &str| line.starts_with("sha256:") || line.len() <= columns;
            assert!(text.lines().all(fits), "{text}");
            insta::assert_snapshot!(format!("plan_{columns}"), text);
        }
    }
}
