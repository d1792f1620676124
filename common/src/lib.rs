//! What both programs need and neither owns. It knows no product type.

#![warn(missing_docs)]

mod backoff;
mod chain;
mod colour;
mod document;
mod durable;
mod field_names;
mod random;
pub mod state_file;

pub use backoff::{Attempts, Backoff, is_worth_logging};
pub use chain::{causes, chain, failed_to};
pub use colour::{ColourChoice, Style, TerminalEnvironment, Tone};
pub use document::{document_line, pretty_document};
pub use durable::{
    append_durably, remove_durably, sweep_unfinished, sync_directory, temporary_in, write_durably,
};
pub use field_names::field_names;
pub use random::random;
pub use state_file::StateFileError;
