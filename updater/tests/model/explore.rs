//! Every state that can be reached, depth first, so that a path that comes back to itself is seen.

use std::collections::{BTreeSet, HashMap};

use crate::deadlines::deadlines;
use crate::properties::PROPERTIES;
use crate::updater::{Move, Updater, World};

/// Enough to see what is wrong.
const MOST_WRONG: usize = 3;

#[derive(Debug, Default)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// The checkpoints that were passed.
    pub(crate) checkpoints: BTreeSet<&'static str>,
    /// The keys that end what is waited for in the states that were passed.
    pub(crate) keys: BTreeSet<&'static str>,
    /// What does not hold, with the path that leads there.
    pub(crate) wrong: Vec<String>,
}

struct Visit {
    /// How this state was reached.
    what: String,
    world: World,
    moves: std::vec::IntoIter<Move>,
}

/// Explores from `first`.
pub(crate) fn explore(first: World) -> Explored {
    let mut explored = Explored::default();
    // Whether a state is on the path that is being walked.
    let mut walked: HashMap<World, bool> = HashMap::new();
    let mut path: Vec<Visit> = Vec::new();
    visit("the beginning".to_owned(), first, &mut walked, &mut path, &mut explored);
    while let Some(visited) = path.last_mut() {
        if explored.wrong.len() >= MOST_WRONG {
            break;
        }
        let Some(step) = visited.moves.next() else {
            if let Some(done) = path.pop() {
                walked.insert(done.world, false);
            }
            continue;
        };
        explored.checkpoints.extend(step.checkpoint);
        match walked.get(&step.world) {
            None => visit(step.what, step.world, &mut walked, &mut path, &mut explored),
            Some(false) => {}
            Some(true) => explored.wrong.push(told(&path, "it goes round for ever")),
        }
    }
    explored.states = walked.len();
    explored
}

fn visit(
    what: String,
    world: World,
    walked: &mut HashMap<World, bool>,
    path: &mut Vec<Visit>,
    explored: &mut Explored,
) {
    let moves = world.moves();
    let ended = world.updater == Updater::Idle && world.host.journal.is_none();
    let stuck = moves.is_empty() && !ended;
    path.push(Visit { what, world: world.clone(), moves: moves.into_iter() });
    if let Updater::Acting { journal, .. } = &world.updater {
        explored.keys.extend(deadlines(journal.state.kind, journal.state.phase));
    }
    for (says, holds) in PROPERTIES {
        if !holds(&world) {
            explored.wrong.push(told(path, says));
        }
    }
    if stuck {
        explored.wrong.push(told(path, "nothing can happen, and it has not ended"));
    }
    walked.insert(world, true);
}

fn told(path: &[Visit], says: &str) -> String {
    let steps: Vec<_> = path.iter().map(|visit| format!("  {}", visit.what)).collect();
    let world = path.last().map(|visit| format!("{:#?}", visit.world)).unwrap_or_default();
    format!("broken: {says}\n{}\n{world}", steps.join("\n"))
}
