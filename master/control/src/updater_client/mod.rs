//! The client of one host's updater.
//!
//! Each call opens its own connection and pins the host's certificate on it. It never takes a
//! broken connection for an outcome: it asks the host what became of the order. Whatever answers,
//! with whatever bytes, ends as a value or as a [`ClientError`]; nothing that arrives is held
//! without a bound.

mod client;
mod connection;
mod drill;
mod error;
mod failure_evidence;
mod host_json;
mod lines;
mod logs;
mod order;
mod order_result;
mod order_stream;
mod progress;
mod request;
#[cfg(test)]
pub(crate) mod testing;
mod timeouts;
mod unconfirmed_order;
mod upload;

pub use client::UpdaterClient;
pub use error::ClientError;
pub use failure_evidence::FailureEvidence;
pub use lines::LineBuffer;
pub use logs::LogsQuery;
pub use order_result::OrderResult;
pub use order_stream::OrderStream;
pub use progress::{OrderProgress, ProgressCallback};
pub use request::ReleaseArchive;
pub use timeouts::Timeouts;
