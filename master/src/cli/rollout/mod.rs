//! `swarm rollout`: to look at rollouts, and to answer them.

mod answer;
mod args;
mod list;
mod show;
mod watch;

pub(in crate::cli) use args::RolloutCommand;
