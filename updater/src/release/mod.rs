//! Releases on the disk: where they are, and what they say of themselves.

mod layout;
mod links;
mod record;
mod tree;

pub use layout::{Layout, Slot};
pub use links::{LinkError, make_links};
pub use record::{RecordError, is_sealed, read_record, remove_release, write_record};
pub use tree::{Durability, TreeError, make_durable, own_tree, remove_tree, seal_tree, tree_hash};
