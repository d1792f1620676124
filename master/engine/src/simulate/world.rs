//! The fleet, as the driver of one rollout sees it.

use std::future::{Future, poll_fn};
use std::task::Poll;

use time::OffsetDateTime;

use crate::simulate::names::{date, time};
use crate::simulate::scene::Shared;
use crate::{Command, DriverEvent, World};

/// The place of one driver.
pub(super) struct SimulatedWorld {
    pub(super) scene: Shared,
    pub(super) rollout: usize,
}

impl World for SimulatedWorld {
    fn now(&self) -> OffsetDateTime {
        date(self.scene.borrow().now)
    }

    fn carry_out(&mut self, command: Command) {
        self.scene.borrow_mut().send(self.rollout, command);
    }

    /// Is polled again when something has happened: there is no runtime to be woken.
    fn next(&mut self, until: OffsetDateTime) -> impl Future<Output = DriverEvent> {
        poll_fn(move |_| {
            let mut scene = self.scene.borrow_mut();
            let now = scene.now;
            let rollout = &mut scene.rollouts[self.rollout];
            if let Some(happening) = rollout.inbox.pop_front() {
                return Poll::Ready(happening);
            }
            if time(until) <= now {
                return Poll::Ready(DriverEvent::Time);
            }
            rollout.waits = Some(time(until));
            Poll::Pending
        })
    }
}
