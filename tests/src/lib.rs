//! A fleet of real processes on loopback addresses, for the whole-system tests and the benchmark.
//!
//! Nothing here stands in for a component of ours: updaters, agents and `swarm` are started from
//! their files, and spoken to over their sockets. Nothing here sleeps: [`eventually`] is the one
//! place that waits for what cannot be waited for otherwise.

mod answer;
pub mod archives;
mod authority;
pub mod booted;
mod build_environment;
mod client;
pub mod crashes;
mod daemon;
mod dishonest_updater;
mod downtime_probe;
mod entries;
mod eventually;
mod example;
mod expectations;
pub mod faults;
mod fleet;
pub mod fuzzing;
mod host;
pub mod invariants;
mod lanes;
mod load;
mod memory;
mod orders;
mod processes;
mod programs;
mod proxy;
mod raw_connection;
mod release;
mod sandbox;
mod setup;
mod signing;
mod stored_data;
mod story;
mod tree;
mod user_processes;
pub mod volume;
mod wording;

pub use answer::Answer;
pub use authority::{Ca, role_name, self_signed};
pub use build_environment::{build_environment, build_environment_of_user};
pub use client::{Call, Client, Lines};
pub use daemon::Daemon;
pub use dishonest_updater::{Exchange, impersonate_updater};
pub use downtime_probe::{Availability, DowntimeProbe, descriptors_of, sockets_of};
pub use entries::{Entry, entries_below, extended_attributes};
pub use eventually::{LONG, eventually};
pub use example::Example;
pub use fleet::{Fleet, Output};
pub use host::{Host, host};
pub use lanes::{in_lanes, lanes};
pub use load::{Load, LoadReport};
pub use memory::{forget_peak, memory_of, peak_until_end};
pub use orders::with_more_and_more_time;
pub use processes::{end_all, processes_of};
pub use programs::program;
pub use proxy::{Direction, Proxy};
pub use raw_connection::RawConnection;
pub use release::{Packing, Release};
pub use sandbox::Sandbox;
pub use setup::Setup;
pub use signing::{ReleaseKey, SignatureFiles};
pub use story::Story;
pub use tree::{Behaviour, Tree};
pub use user_processes::{UserProcess, processes_of_user};
pub use wording::wording;
