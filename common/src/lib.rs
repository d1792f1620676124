//! What both programs need and neither owns. It knows no product type.

#![warn(missing_docs)]

mod chain;

pub use chain::chain;
