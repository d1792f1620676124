//! What must hold of every state of the world.

use protocol::Outcome;
use updater::transaction::machine::{Data, Direction, after_switch};

use crate::ending::{arrived, stays};
use crate::host::{Host, Journal};
use crate::updater::{Updater, World};

type Property = (&'static str, fn(&World) -> bool);

/// All of them, each with what it says.
pub(crate) const PROPERTIES: [Property; 14] = [
    ("current leads to a whole release, and is there when one is active", current),
    ("active is the old release or the new one, and what the history says", active),
    ("the agent that runs is of the active release, or on its way, or it is stranded", agent),
    ("no agent runs with the unit files of another release", units),
    ("two agents run only while one is handed over to the other", beside),
    ("in a handover somebody serves all the time", served),
    ("no agent runs on data that has not the form which its release needs", form),
    ("prev was once proven", prev),
    ("prev did not fail, and is not what is active, when nothing is under way", prev_at_rest),
    ("the release before is whole until the next one is proven", kept),
    ("a transaction has one line in the history", one_line),
    ("nothing lies around when nothing is under way", clean),
    ("no outcome lies", truthful),
    ("what is active was proven, or says that it was not", proven),
];

fn past_switch(host: &Host) -> Option<&Journal> {
    host.journal.as_ref().filter(|journal| after_switch(journal.state.phase))
}

fn stranded(host: &Host) -> bool {
    let ending = host.journal.as_ref().and_then(|journal| journal.outcome);
    let mut outcomes = ending.into_iter().chain(host.history.iter().rev().map(|line| line.outcome));
    outcomes.find(|outcome| !matches!(outcome, Outcome::Staged | Outcome::Interrupted))
        == Some(Outcome::Stranded)
}

/// Whether nothing is under way. An updater that was just started sweeps first.
fn at_rest(world: &World) -> bool {
    world.updater == Updater::Idle && world.host.journal.is_none()
}

fn current(world: &World) -> bool {
    let host = &world.host;
    match host.active {
        Some(active) if host.current => host.whole.has(active),
        Some(_) => past_switch(host).is_some_and(|journal| journal.from.is_none()),
        None => !host.current,
    }
}

fn active(world: &World) -> bool {
    let host = &world.host;
    match (past_switch(host), &host.journal, host.history.last()) {
        (Some(journal), _, _) => [journal.from, Some(journal.to)].contains(&host.active),
        (None, Some(journal), _) => host.active == journal.from,
        (None, None, Some(line)) => host.active == line.to,
        (None, None, None) => true,
    }
}

fn agent(world: &World) -> bool {
    let host = &world.host;
    let Some(agent) = host.agent else { return true };
    let on_its_way =
        past_switch(host).is_some_and(|journal| journal.to == agent || journal.from == Some(agent));
    host.active == Some(agent) || on_its_way || stranded(host)
}

/// A handover is not of units.
fn units(world: &World) -> bool {
    let host = &world.host;
    host.own || host.handover || host.agent.is_none_or(|agent| host.units == Some(agent))
}

fn beside(world: &World) -> bool {
    let host = &world.host;
    let Some(beside) = host.beside else { return !at_rest(world) || !host.beside_known };
    past_switch(host).is_some_and(|journal| {
        journal.state.handover && (journal.to == beside || journal.from == Some(beside))
    })
}

/// As long as no agent dies by itself, and the disk lets the way back be gone.
fn served(world: &World) -> bool {
    let host = &world.host;
    let Some(journal) = past_switch(host).filter(|journal| journal.state.handover) else {
        return true;
    };
    let served = host.agent.is_some() || host.beside.is_some();
    journal.from.is_none() || host.unlucky || served
}

fn prev(world: &World) -> bool {
    let host = &world.host;
    host.prev.is_none_or(|prev| host.proven.has(prev) && host.whole.has(prev))
}

fn form(world: &World) -> bool {
    let host = &world.host;
    host.agent.is_none_or(|agent| host.fits(agent))
}

fn prev_at_rest(world: &World) -> bool {
    let host = &world.host;
    !at_rest(world)
        || host.prev.is_none_or(|prev| !host.failed.has(prev) && host.active != Some(prev))
}

fn kept(world: &World) -> bool {
    let host = &world.host;
    let Some(journal) = &host.journal else { return true };
    let whole = |release: &u8| host.whole.has(*release);
    journal.from.is_none_or(|from| whole(&from))
        && (arrived(journal)
            || stays(host, journal)
            || journal.prev.is_none_or(|prev| whole(&prev)))
}

fn one_line(world: &World) -> bool {
    let host = &world.host;
    let lines = |order: u8| host.history.iter().filter(|line| line.order == order).count();
    (1..=world.taken).all(|order| {
        let under_way = host.journal.as_ref().is_some_and(|journal| journal.order == order);
        let in_mind = match &world.updater {
            Updater::Acting { journal, .. } | Updater::Ending { journal, .. } => {
                journal.order == order
            }
            Updater::Down | Updater::Idle => false,
        };
        lines(order) == 1 || (lines(order) == 0 && (under_way || in_mind))
    })
}

fn clean(world: &World) -> bool {
    let host = &world.host;
    !at_rest(world) || (!host.incoming && host.new_link.is_none() && host.half.is_empty())
}

/// Looked at when it is decided: whatever happens later is another story.
fn truthful(world: &World) -> bool {
    let Some((journal, outcome)) = world.verdict() else { return true };
    let host = &world.host;
    let shown = |release| host.own || (host.active == release && host.shown);
    match outcome {
        Outcome::Updated => host.active == Some(journal.to) && shown(Some(journal.to)),
        Outcome::RolledBack if journal.state.direction == Direction::Forward => {
            host.active == Some(journal.to) && shown(Some(journal.to))
        }
        Outcome::RolledBack if journal.from.is_none() => {
            host.active.is_none() && host.agent.is_none()
        }
        Outcome::RolledBack => host.active == journal.from && shown(journal.from),
        Outcome::Interrupted | Outcome::Staged => host.active == journal.from,
        Outcome::Stranded => {
            let one_way = journal.state.data == Data::OneWay;
            one_way || journal.state.direction == Direction::Back
        }
        Outcome::AlreadyCurrent => false,
    }
}

fn proven(world: &World) -> bool {
    let host = &world.host;
    !at_rest(world)
        || stranded(host)
        || host.active.is_none_or(|active| host.proven.has(active) && !host.failed.has(active))
}
