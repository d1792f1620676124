//! The worker's daemon. It owns the release directories of a host's programs, and it is the
//! rescuer: whatever a release does, the updater still answers, and puts the last good one back.

pub mod api;
pub mod build;
pub mod check;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod drill;
pub mod enroll;
pub mod hooks;
pub mod probe;
pub mod release;
pub mod runner;
pub mod self_update;
pub mod server;
pub mod sys;
pub mod systemd;
pub mod transaction;
pub mod trust;
