//! Faults at one system call: the updater runs under a filter that asks before each call on the
//! file system, and whoever is asked kills it there, fails the call, or cuts the power.

mod call;
mod descriptor;
mod process;
mod seccomp;
mod supervisor;
mod table;
mod watched;

pub use call::{Act, Call};
pub use supervisor::{Fault, Supervisor, When};
pub use watched::{WATCHED, watched};
