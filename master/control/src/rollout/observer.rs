//! What watches a rollout while this process drives it.

use store::Event;

/// Is told of what happens to a rollout, in its order: a screen is one. It decides nothing, and it
/// cannot hold a rollout up.
pub trait Observer {
    /// Something happened, and is kept; or bytes went to a host, which is not kept.
    fn happened(&self, event: &Event);

    /// The operator has asked to stop: no further host is started.
    fn stopping(&self);

    /// Something beside the rollout that an operator should know.
    fn note(&self, words: &str);
}
