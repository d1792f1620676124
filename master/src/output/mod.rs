//! What a person or a program sees: data on stdout, all else on stderr.

mod frame;
mod outcome_words;
mod printer;
mod progress;
mod summary_table;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod wrap;

pub use frame::frame;
pub use printer::Output;
pub(crate) use progress::Progress;
pub(crate) use summary_table::show_summary;
pub use table::Table;

pub use wrap::{cut, hanging, wrapped};
