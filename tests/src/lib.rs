//! A fleet of real processes on loopback addresses, for the whole-system tests and the benchmark.
//!
//! Nothing here stands in for a component of ours: updaters, agents and `swarm` are started from
//! their files, and spoken to over their sockets. Nothing here sleeps: [`eventually`] is the one
//! place that waits for what cannot be waited for otherwise.

mod answer;
pub mod archives;
mod authority;
pub mod booted;
mod client;
pub mod crashes;
mod daemon;
mod eventually;
mod expectations;
pub mod faults;
mod fleet;
mod forms;
pub mod fuzzing;
mod host;
pub mod invariants;
mod liar;
mod litter;
mod load;
mod memory;
mod place;
mod programs;
mod proxy;
mod release;
mod setup;
mod signing;
mod snapshot;
mod tree;
mod vigil;
pub mod volume;
mod wire;

pub use answer::Answer;
pub use authority::{Ca, role_name, self_signed};
pub use client::{Call, Client, Lines};
pub use daemon::Daemon;
pub use eventually::{LONG, eventually};
pub use fleet::{Fleet, Output};
pub use host::Host;
pub use liar::{Heard, lie};
pub use litter::{end_all, processes_of};
pub use load::{Load, Waits};
pub use memory::{forget_peak, memory_of, peak_until_end};
pub use place::Place;
pub use programs::program;
pub use proxy::{Proxy, Way};
pub use release::{Packing, Release};
pub use setup::Setup;
pub use signing::{ReleaseKey, Signed};
pub use snapshot::{Found, attached, snapshot};
pub use tree::{Behaviour, Tree};
pub use vigil::{Seen, Vigil, descriptors_of};
pub use wire::Wire;
