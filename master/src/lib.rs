//! The command line `swarm`: it knows the hosts of a fleet and rolls releases through them.
//!
//! The doors (`cli`) parse, call one function of a room below, and render; they decide nothing.

pub mod cli;
pub mod config;
pub mod demo;
pub mod fleet;
pub mod home;
pub mod hosts;
pub mod interrupt;
pub mod master;
pub mod notify;
pub mod output;
pub mod pack;
pub mod rollout;
pub mod select;
pub mod signing;
pub mod simulate;
pub mod store;
pub mod updater_client;
