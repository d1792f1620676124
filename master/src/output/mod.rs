//! What a person or a program sees: data on stdout, all else on stderr.

mod exit;
mod failure;
mod plain;
mod printer;
mod span;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod when;
mod wrap;

pub use exit::Exit;
pub use failure::{Explain, Failure};
pub use plain::plain;
pub use printer::Output;
pub use span::span;
pub use table::Table;
pub use when::{when, when_if};
pub use wrap::{cut, wrapped};
