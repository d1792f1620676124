//! Hosts that have seen a newer master than this one: it was restored from a backup, or another copy of it has
//! given orders since.
//!
//! The epoch tells holders of the orders apart. A new command of an operator is a new holder, and its number is
//! above all that its hosts have seen; a rollout that was begun before is gone on with under its own.

use protocol::HostName;
use serde_json::json;
use store::{Event, EventType};

use crate::fleet::is_plausible;
use crate::rollout::{RolloutError, Rollouts};

impl Rollouts<'_> {
    /// Raises the epoch above what a host of a new rollout has seen, and keeps that: what is told of it, and in
    /// words.
    pub fn rise_above(&self, host: HostName, seen: u64) -> Result<(Event, String), RolloutError> {
        let (before, now) = (self.store.epoch()?, (self.now)());
        if !is_plausible(seen, before, now) {
            return Err(RolloutError::ImplausibleEpoch { host, seen, epoch: before });
        }
        let epoch = self.store.rise_above(seen, self.who, now)?;
        let data = json!({"epoch": epoch, "before": before, "seen": seen, "seen_by": host});
        let event = Event { data, ..Event::new(EventType::MasterTookOver, now, self.who) };
        self.store.record_event(&event)?;
        let words = format!(
            "{host} has seen the epoch {seen}, and this master's was {before}: usual after it was restored from a \
             backup. It is {epoch} from now on: if another copy of this master is in use, these hosts refuse what \
             it has under way"
        );
        Ok((event, words))
    }
}
