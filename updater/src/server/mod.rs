//! The listening side: TLS, bounds and deadlines around every connection, and the local socket.

mod accept;
mod connection;
mod connection_limit;
mod local;

pub use accept::{AcceptSwitch, serve};
pub use local::{LOCAL_SOCKET, serve_local};
