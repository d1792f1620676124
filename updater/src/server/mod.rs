//! The listening side of the updater: who calls, under which bounds, and the local socket.

mod caller;
mod local;

pub use caller::{Audience, Caller, Who};
pub use local::{LOCAL_SOCKET, serve_local};
