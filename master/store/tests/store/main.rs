//! What the store keeps, and gives back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod hosts;
mod journal;
mod releases;
mod rollouts;
