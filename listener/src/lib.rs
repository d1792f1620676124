//! The listening side of a program that many connect to: accepts, shakes hands, and serves each
//! connection under bounds and deadlines.
//!
//! It must not know what is said on a connection, and no crowd may keep another one out.

#![warn(missing_docs)]

mod accept;
mod connection;
mod connection_limit;
mod http_stream;
mod limits;
mod strict_head;

pub use accept::{AcceptSwitch, serve};
pub use connection::serve_connection;
pub use http_stream::Refusal;
pub use limits::Limits;
