//! How a plan is shown.

use api::PlanDocument;
use control::rollout::{Estimate, ReleaseNames};
use engine::{Action, BatchRanges, Plan, WorstCase, worst_case};
use explain::Failure;
use protocol::Migrates;

use crate::cli::Context;
use crate::output::Table;

/// Shows a plan: host by host, and what it comes to at best and at worst.
pub(super) fn show_plan(context: &Context, plan: &Plan, kept: bool) -> Result<(), Failure> {
    let estimate = context.rollouts().estimate(plan)?;
    if context.output.json() {
        context.output.document(&PlanDocument::of(plan, kept, estimate.as_ref()));
    } else {
        let names = ReleaseNames::read(&context.store)?;
        let columns = context.output.columns();
        context.output.data(&text(plan, estimate.as_ref(), &names, kept, columns));
    }
    Ok(())
}

fn text(
    plan: &Plan,
    estimate: Option<&Estimate>,
    names: &ReleaseNames,
    kept: bool,
    columns: Option<usize>,
) -> String {
    let headings = ["HOST", "BATCH", "WOULD", "FROM", "TO", "BYTES", "WHY"];
    let mut table = Table::new(headings).within(columns);
    let division = BatchRanges::of(&plan.batches);
    for (place, host) in plan.hosts.iter().enumerate() {
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
    }
    let digest = plan.digest();
    let next = if kept {
        format!("to do just this: swarm update --plan {}", digest.short())
    } else {
        "this is a plan: nothing was changed".to_owned()
    };
    let message = plan.message.as_ref().map(|why| format!("why: {why}\n")).unwrap_or_default();
    let migration =
        plan.migration.map(|found| format!("{}\n", migration(found))).unwrap_or_default();
    format!(
        "{}\n{}\n{message}{migration}{}\n{}\nplan {digest}\n{next}\n",
        table.render(),
        batches(plan),
        breaker(plan),
        time(plan, estimate)
    )
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
        None => "how long it takes is not known: no host has been measured yet".to_owned(),
    };
    format!("{} to send; {time}", indicatif::HumanBytes(plan.bytes()))
}

fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
