//! Releases on the disk: where they are, what they say of themselves, how they get there.

mod archive;
mod layout;
mod links;
mod record;
mod staging;
mod tree;
mod unpack;
#[cfg(test)]
mod unpack_tests;

pub use archive::{Rule, UnpackError};
pub use layout::{Layout, Slot};
pub use links::{LinkError, make_links};
pub use record::{RecordError, is_sealed, read_record, remove_release, write_record};
pub use tree::{Durability, TreeError, make_durable, own_tree, remove_tree, seal_tree, tree_hash};
pub use unpack::{Progress, Received, UnpackLimits, unpack};
