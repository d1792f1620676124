//! What git knows of a directory.
//!
//! A tree is data: nothing that its repository's configuration names (filters, monitors, helpers of a
//! remote) is ever run. Git is asked in a git directory of our own, and never in the tree's.

mod closed_git;
mod lfs;
mod plain_files;
mod repository;
mod work_tree;

pub(super) use work_tree::{Tracked, WorkTree, look};
