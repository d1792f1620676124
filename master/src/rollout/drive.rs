//! The place where the engine will be: which host is started when.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fleet::Member;
use crate::rollout::host::Course;
use crate::rollout::told::Teller;
use crate::rollout::{Interrupt, Order, Row};

/// Brings every host to its row: in the order of the tasks, and never more than `parallel` at a
/// time.
pub(super) async fn drive(
    order: Arc<Order>,
    tasks: Vec<Member>,
    interrupt: Interrupt,
    teller: Teller,
) {
    let places = Arc::new(Semaphore::new(order.parallel.get()));
    let mut under_way = JoinSet::new();
    for Member { host, skip, worker } in tasks {
        let worker = match (skip, worker) {
            (None, Ok(worker)) => worker,
            (Some(reason), _) => {
                teller.done(Row::skipped(&host, &reason.replace(' ', "_"), reason));
                continue;
            }
            (None, Err(error)) => {
                teller.done(Row::of_error(&host, None, &error));
                continue;
            }
        };
        let place = tokio::select! {
            biased;
            () = interrupt.asked(1) => None,
            place = Arc::clone(&places).acquire_owned() => place.ok(),
        };
        let Some(place) = place else {
            teller.done(Row::interrupted(&host, "the rollout was stopped before its turn"));
            continue;
        };
        let course = Course { order: Arc::clone(&order), teller: teller.clone() };
        let (interrupt, teller) = (interrupt.clone(), teller.clone());
        under_way.spawn(async move {
            let row = tokio::select! {
                row = course.take(&host, &worker) => row,
                () = interrupt.asked(2) => Row::interrupted(
                    &host,
                    "it was not waited for; it finishes what it has begun by itself",
                ),
            };
            drop(place);
            teller.done(row);
        });
    }
    while under_way.join_next().await.is_some() {}
}
