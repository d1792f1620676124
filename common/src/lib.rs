//! What both programs need and neither owns. It knows no product type.

#![warn(missing_docs)]

mod backoff;
mod chain;
mod random;

pub use backoff::{Attempts, Backoff};
pub use chain::{causes, chain, failed_to};
pub use random::random;
