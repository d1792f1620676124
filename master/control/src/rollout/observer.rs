//! What watches a rollout while this process drives it.

use engine::State;
use protocol::HostName;
use store::Event;
use time::OffsetDateTime;

/// Is told of what happens to a rollout, in its order: a screen is one. It decides nothing, and it
/// cannot hold a rollout up.
pub trait Observer {
    /// The rollout stands so; what is kept from now on changes it.
    fn stands(&self, _state: &State) {}

    /// An event is kept: a [`step`](engine::step) of the state.
    fn kept(&self, _event: &engine::Event, _time: OffsetDateTime) {}

    /// Something happened, and is kept; or bytes went to a host, which is not kept.
    fn happened(&self, event: &Event);

    /// The release was asked on a host for the `attempt`th time in this phase. It is not kept.
    fn probed(&self, _host: &HostName, _attempt: u32, _passed: bool) {}

    /// The operator has asked to stop: no further host is started.
    fn stopping(&self);

    /// Something beside the rollout that an operator should know.
    fn note(&self, words: &str);
}
