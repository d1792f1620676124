//! Releases on the disk: where they are, and what they say of themselves.

mod inside;
mod layout;
mod links;
mod names;
mod obstacle;
mod record;
mod tree;

pub use inside::open_named;
pub use layout::{Layout, Slot};
pub use links::{LinkError, make_links};
pub use names::NameLength;
pub use obstacle::Obstacle;
use record::remove_release;
pub use record::{RecordError, is_sealed, read_record, write_record};
pub use tree::{
    Durability, TreeError, TreeList, disk_bytes, make_durable, own_tree, prune, remove_tree,
    seal_tree,
};
