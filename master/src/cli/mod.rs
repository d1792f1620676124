//! The doors of the command line, one file a subcommand.
//!
//! A door parses, calls one function of a room below, and renders what it gives back.

mod args;
mod begin;
mod candidates;
mod check;
mod choice;
mod completions;
mod context;
mod count;
mod decommission;
mod drill;
mod enroll;
mod event_line;
mod evidence;
mod faults;
mod forgive;
mod help;
mod history;
mod hold;
mod init;
mod label;
mod list;
mod log;
mod logs;
mod main;
mod man;
mod on_host_line;
mod pack;
mod period;
mod plan_view;
mod policy_args;
mod reason;
mod release;
mod release_list;
mod renew;
mod rollback;
mod rollout;
mod runtime;
mod selection;
mod set;
mod show;
mod simulate;
mod status;
mod status_view;
mod table_args;
mod update;
mod why;

pub use args::{Cli, Command};
pub use context::Context;
pub use main::main;
pub use runtime::block_on;
