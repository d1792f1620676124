//! Rollouts through a scripted fleet: what they come to, and what holds of every one of them.

mod laws;
mod proofs;
mod stories;
mod worst_case;
