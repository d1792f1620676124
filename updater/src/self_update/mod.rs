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
mod newer_package;
mod parent;
mod socket;
mod start;
mod successor_starter;
mod takeover;
mod unit;

pub use channel::{Channel, ChannelError, FromParent, ToParent};
pub use executable::{Foreign, OwnExecutable, PROGRAM, own_digest};
pub use launch::become_active;
pub use newer_package::{NewerPackage, PACKAGED};
pub use parent::{EXIT_HOST_FAULT, ParentError, run_parent};
pub use socket::{SocketError, listening_socket};
pub use start::StartError;
pub use successor_starter::SuccessorStarter;
pub use takeover::{Takeover, TakeoverError};
pub use unit::Unit;
