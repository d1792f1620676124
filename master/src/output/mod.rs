//! What a person or a program sees: data on stdout, all else on stderr.

mod frame;
mod last_lines;
mod live;
mod outcome_words;
mod plain_lines;
mod printer;
mod progress;
mod screen;
mod summary_table;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod wrap;

pub use common::{ColourChoice, Style, Tone};
pub(crate) use frame::tone;
pub(crate) use live::Shown;
pub use printer::{Output, OutputSettings};
pub(crate) use progress::Progress;
pub(crate) use summary_table::show_summary;
pub use table::{Table, UnknownColumn};
pub use wrap::{cut, hanging, wrapped};
