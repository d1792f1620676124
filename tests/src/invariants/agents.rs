//! The processes that run.

use super::Moment;
use super::app_snapshot::AppSnapshot;

pub(super) fn check(app: &AppSnapshot<'_>, moment: Moment, wrong: &mut Vec<String>) {
    if app.installed.own {
        return;
    }
    let starts = if moment == Moment::Any && app.handing_over() { 2 } else { 1 };
    let most = starts * app.installed.processes;
    if app.agents.len() > most {
        wrong.push(format!("more starts of an agent live than {most}: {:?}", app.agents));
    }
    for digest in app.agents.values() {
        let active = app.active == Some(*digest);
        let on_its_way = app.switching() && [app.from(), app.to()].contains(&Some(*digest));
        if !active && !on_its_way && !app.stranded() {
            wrong.push(format!("an agent of {digest} runs, which is not active"));
        }
    }
    let stopped = app.installed.files.stopped().exists();
    let wanted = app.active.is_some() && !stopped && !app.stranded();
    if moment == Moment::AtRest && wanted && app.agents.is_empty() {
        wrong.push("a release is active, and no agent runs".to_owned());
    }
    if stopped && !app.agents.is_empty() && app.journal.is_none() {
        wrong.push("an operator stopped the agent, and it runs".to_owned());
    }
}
