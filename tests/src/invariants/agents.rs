//! The processes that run.

use super::Moment;
use super::seen::Seen;

pub(super) fn check(seen: &Seen<'_>, moment: Moment, wrong: &mut Vec<String>) {
    if seen.installed.own {
        return;
    }
    let starts = if moment == Moment::Any && seen.handing_over() { 2 } else { 1 };
    let most = starts * seen.installed.processes;
    if seen.agents.len() > most {
        wrong.push(format!("more starts of an agent live than {most}: {:?}", seen.agents));
    }
    for digest in seen.agents.values() {
        let active = seen.active == Some(*digest);
        let on_its_way = seen.switching() && [seen.from(), seen.to()].contains(&Some(*digest));
        if !active && !on_its_way && !seen.stranded() {
            wrong.push(format!("an agent of {digest} runs, which is not active"));
        }
    }
    let stopped = seen.installed.files.stopped().exists();
    let wanted = seen.active.is_some() && !stopped && !seen.stranded();
    if moment == Moment::AtRest && wanted && seen.agents.is_empty() {
        wrong.push("a release is active, and no agent runs".to_owned());
    }
    if stopped && !seen.agents.is_empty() && seen.journal.is_none() {
        wrong.push("an operator stopped the agent, and it runs".to_owned());
    }
}
