//! The system calls that need `unsafe`; the only module that may have it.
//!
//! What runs between `fork` and `exec` may only call what is async-signal-safe: no allocation, no
//! lock, no formatting.
#![expect(unsafe_code, reason = "fork, exec and signal dispositions have no safe form")]

mod calls;
mod keeper;

pub(super) use calls::{
    Exec, adopt, before_exec, close_on_exec, die_with_parent, hang_up, join, leave_network,
    no_new_privileges, place, reset_signals, start_writeback,
};
pub(super) use keeper::{KeeperOf, fork_under_keeper};
