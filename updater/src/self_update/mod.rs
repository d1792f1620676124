//! The updater's own update.
//!
//! `updater run` is a small parent that owns the listening socket and outlives every updater. It
//! starts the updater proper, and, when that one asks for it, a second one beside it on the same
//! socket. The old one stops to accept while the new one is tried, and leaves when the new one has
//! answered the master; else the new one is ended and the old one goes on. No connection is ever
//! refused, because the socket is never closed.
//!
//! In a unit of systemd there is no such parent: the old updater starts the new one itself, and makes
//! it the unit's main process when it leaves.

mod channel;
mod executable;
mod launch;
pub mod manager;
mod parent;
mod socket;
mod start;
mod store;
mod successor_starter;
mod takeover;
mod unit;

pub use channel::{Channel, ChannelError, FromParent, ToParent};
pub use executable::{Foreign, OwnExecutable, PROGRAM, own_digest};
pub use launch::become_active;
pub use parent::{EXIT_HOST_FAULT, ParentError, run_parent};
pub use socket::{SocketError, listening_socket};
pub use start::StartError;
pub use store::SocketStore;
pub use successor_starter::SuccessorStarter;
pub use takeover::{Takeover, TakeoverError};
pub use unit::Unit;

/// The environment variable that tells an updater which descriptor its socket is.
pub const LISTEN_FD: &str = "UPDATER_LISTEN_FD";
/// The environment variable that tells an updater which descriptor leads to its parent.
pub const CHANNEL_FD: &str = "UPDATER_CHANNEL_FD";
/// The environment variable that says that an older updater is still in charge.
pub const CANDIDATE: &str = "UPDATER_CANDIDATE";
/// The environment variable that tells `updater check` where the updater that runs listens.
pub const LISTENING: &str = "UPDATER_LISTENING";
