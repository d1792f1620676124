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
mod dishonest_updater;
mod downtime_probe;
mod eventually;
mod expectations;
pub mod faults;
mod fleet;
pub mod fuzzing;
mod host;
pub mod invariants;
mod leftovers;
mod load;
mod memory;
mod programs;
mod proxy;
mod release;
mod sandbox;
mod setup;
mod signing;
mod snapshot;
mod stored_data;
mod tree;
pub mod volume;
mod wire;

pub use answer::Answer;
pub use authority::{Ca, role_name, self_signed};
pub use client::{Call, Client, Lines};
pub use daemon::Daemon;
pub use dishonest_updater::{Heard, lie};
pub use downtime_probe::{Seen, Vigil, descriptors_of};
pub use eventually::{LONG, eventually};
pub use fleet::{Fleet, Output};
pub use host::Host;
pub use leftovers::{end_all, processes_of};
pub use load::{Load, Waits};
pub use memory::{forget_peak, memory_of, peak_until_end};
pub use programs::program;
pub use proxy::{Proxy, Way};
pub use release::{Packing, Release};
pub use sandbox::Sandbox;
pub use setup::Setup;
pub use signing::{ReleaseKey, Signed};
pub use snapshot::{Found, attached, snapshot};
pub use tree::{Behaviour, Tree};
pub use wire::Wire;
