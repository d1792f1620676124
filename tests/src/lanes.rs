//! Many hosts at a time, each with work of its own.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

/// Most of what is tried on a host is waiting, for a process or a disk: so many for each processor.
const FOR_EACH_PROCESSOR: usize = 4;

/// How many hosts this machine bears at a time.
pub fn lanes() -> usize {
    FOR_EACH_PROCESSOR * thread::available_parallelism().map_or(1, NonZero::get)
}

/// Acts on each, in as many lanes as this machine bears, and gives what came of them, in their order.
///
/// # Errors
/// When it fails with one.
pub fn in_lanes<T: Sync, R: Send>(
    items: &[T],
    act: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let lane = || -> Result<Vec<(usize, R)>> {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::SeqCst);
            let Some(item) = items.get(index) else { return Ok(done) };
            done.push((index, act(item)?));
        }
    };
    let done = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes().min(items.len())).map(|_| scope.spawn(lane)).collect();
        let done = lanes.into_iter().map(|lane| lane.join().ok().context("a lane panicked")?);
        done.collect::<Result<Vec<_>>>()
    })?;
    let mut done: Vec<_> = done.into_iter().flatten().collect();
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_each_is_in_their_order() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(in_lanes(&items, |item| Ok(item * 2)).unwrap()[99], 198);
        let fails = |item: &usize| if *item == 50 { anyhow::bail!("no") } else { Ok(()) };
        assert!(in_lanes(&items, fails).is_err());
    }
}
