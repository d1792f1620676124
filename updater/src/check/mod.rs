//! `updater check`: looks at the machine that a configuration is for: its identity, directories,
//! users, port, units and kernel. Everything is looked at, whatever was found before; nothing is
//! changed, and nothing is made.

mod account;
mod directories;
mod file;
mod identity;
mod keys;
mod low_ports;
mod machine;
mod permissions;
mod units;

pub use file::{Checked, check_file};
pub use identity::judge_identity;
