//! The simulated fleet, as the driver of one rollout sees it.

use std::future::{Future, poll_fn};
use std::task::Poll;

use time::OffsetDateTime;

use crate::simulate::names::{date, time};
use crate::simulate::simulation_state::Shared;
use crate::{Command, DriverEvent, Executor};

/// The place of one driver.
pub(super) struct SimulatedExecutor {
    pub(super) shared: Shared,
    pub(super) rollout: usize,
}

impl Executor for SimulatedExecutor {
    fn now(&self) -> OffsetDateTime {
        date(self.shared.borrow().now)
    }

    fn carry_out(&mut self, command: Command) {
        self.shared.borrow_mut().send(self.rollout, command);
    }

    /// Is polled again when something has happened: there is no runtime to be woken.
    fn next(&mut self, until: OffsetDateTime) -> impl Future<Output = DriverEvent> {
        poll_fn(move |_| {
            let mut shared = self.shared.borrow_mut();
            let now = shared.now;
            let rollout = &mut shared.rollouts[self.rollout];
            if let Some(happening) = rollout.inbox.pop_front() {
                return Poll::Ready(happening);
            }
            if time(until) <= now {
                return Poll::Ready(DriverEvent::TimeReached);
            }
            rollout.waits = Some(time(until));
            Poll::Pending
        })
    }
}
