//! `swarm rollout`: to look at rollouts, and to answer them.

mod answer;
mod args;
mod list;
mod show;
mod undo;
mod watch;

pub(in crate::cli) use answer::run as answer;
pub(in crate::cli) use args::{RolloutCommand, Which};
