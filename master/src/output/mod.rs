//! What a person or a program sees: data on stdout, all else on stderr.

mod frame;
mod printer;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod view;
mod wrap;

pub use frame::frame;
pub use printer::Output;
pub use table::Table;
pub(crate) use view::View;
pub use wrap::{cut, wrapped};
