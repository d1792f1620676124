//! What starts, stops and finds an app's agent.
//!
//! An agent outlives the updater, and the next updater finds it again. Nothing is ever done to a
//! process because it looks like the agent: only to what a runner started, or what descends from it.

#[cfg(test)]
mod background_tests;
mod behaviour;
mod beside;
mod bounded_log;
mod error;
mod forbidden_port;
mod former_start;
mod found_strays;
#[cfg(test)]
mod group_tests;
mod instance;
mod instance_slot;
mod launch;
mod left_agents;
mod log;
mod log_reader;
mod log_starts;
mod log_writer;
mod members;
mod own_group;
mod process;
mod process_reload;
mod program_log;
mod record;
mod reload;
mod reload_command;
mod resources;
mod socket_store;
mod sockets;
mod start;
mod stop;
mod strays;
mod successor;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transient;
mod units;
mod untaken_sockets;

pub use behaviour::Behaviour;
pub use beside::Handover;
pub use error::RunnerError;
pub use forbidden_port::{ForbiddenPort, NET_BIND_SERVICE, first_free_port};
pub use instance::{ExitReport, Instance};
pub use launch::{Launch, command_of, release_path_variable};
pub use left_agents::{LeftAgent, left_agents};
pub use log_writer::write_log;
pub use process::{Runner, for_app};
pub use program_log::{JournalPosition, LogFileId, LogPosition, LogRead, LoggedRun, ProgramLog};
pub use reload::Reload;
pub use resources::RunnerResources;
pub use socket_store::SocketStore;
pub use sockets::SocketError;
pub use stop::Killed;
pub use units::{
    HandoverObstacle, check_units, handover_obstacles, none_reloads, none_stays, read_units,
};
pub use untaken_sockets::untaken_sockets;
