//! The client of one host's updater.
//!
//! Each call opens its own connection and pins the host's certificate on it. It never takes a
//! broken connection for an outcome: it asks the host what became of the order. Whatever answers,
//! with whatever bytes, ends as a value or as a [`ClientError`]; nothing that arrives is held
//! without a bound.

mod answer;
mod client;
mod connection;
mod drill;
mod error;
mod evidence;
mod hearing;
mod lines;
mod order;
mod request;
#[cfg(test)]
pub(crate) mod testing;
mod timeouts;
mod unconfirmed;
mod upload;

pub use answer::Answer;
pub use client::UpdaterClient;
pub use error::ClientError;
pub use evidence::Evidence;
pub use hearing::{Heard, Hearing, Listener};
pub use lines::LineBuffer;
pub use request::Push;
pub use timeouts::Timeouts;
