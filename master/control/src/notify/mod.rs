//! Tells others what became of a rollout: commands and webhooks, as `[[on_event]]` of `swarm.toml`
//! names them.
//!
//! A rollout never waits for any of this: an event is put into a bounded queue, and what cannot be
//! delivered is reported at the end. Nothing here decides anything about a rollout.

mod command;
mod deliver;
mod hook;
mod message;
mod notifier;
mod occasion;
mod signature;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod webhook;

pub use hook::{Hook, HookUrl, Target, UrlError};
pub use notifier::{Notifier, NotifyError};
pub use occasion::Occasion;
pub use signature::SecretError;
