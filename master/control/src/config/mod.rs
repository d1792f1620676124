//! `swarm.toml` in the master's home: what a master does besides what it is asked on the command
//! line. Without the file, nothing.
//!
//! All that is wrong in it is told at once, and nothing runs with half of it.

mod file;
mod hook;

pub use file::{Config, ConfigError};
