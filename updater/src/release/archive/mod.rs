//! Reading an archive that nobody vouches for: from its bytes to its checked members.

mod blocks;
mod error;
mod header;
mod inflate;
mod members;
mod pax;
mod pipe;
mod rule;
#[cfg(test)]
pub(crate) mod sample;

pub use error::UnpackError;
pub use rule::Rule;

pub(super) use blocks::Blocks;
pub(super) use error::{ReadEnd, shown};
pub(super) use inflate::inflate;
pub(super) use members::{Content, Member, Members};
pub(super) use pipe::{Archived, Inflated, Piece, pipes};
