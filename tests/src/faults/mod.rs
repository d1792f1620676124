//! Faults at one system call: the updater runs under a filter that asks before each call on the
//! file system, and whoever is asked kills it there, fails the call, or cuts the power.

mod call;
mod descriptor;
mod intercepted;
mod interceptor;
mod process;
mod seccomp;
mod table;

pub use call::{Call, Effect};
pub use intercepted::{INTERCEPTED, run_intercepted};
pub use interceptor::{CallFilter, CallInterceptor, Fault};
