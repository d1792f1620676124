//! The listening side: TLS, bounds and deadlines around every connection, and the local socket.

mod accept;
mod connection;
mod crowd;
mod local;

pub use accept::{Gate, serve};
pub use local::{LOCAL_SOCKET, serve_local};
