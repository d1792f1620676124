//! Whole directory trees that a build may have filled: hashing, owning, sealing, syncing,
//! removing. Nothing here follows a symbolic link or enters another file system.

mod durable;
mod hash;
mod prune;
mod remove;
mod seal;
mod walk;

pub use durable::{Durability, make_durable};
pub use hash::TreeList;
pub use prune::{disk_bytes, prune};
pub use remove::remove_tree;
pub use seal::{own_tree, seal_tree};
pub use walk::TreeError;
