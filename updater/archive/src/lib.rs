//! Reading an archive that nothing vouches for: from its bytes to its checked members, and those
//! into an empty directory.
//!
//! It must never believe a name, a length or a link in it before it has checked it, and never write
//! outside of that directory. Nothing else reads an archive to act on it: the master asks here too what a
//! release says of itself.

mod blocks;
mod error;
mod header;
mod inflate;
mod manifest;
mod members;
mod pax;
mod pipe;
mod rule;
#[cfg(test)]
mod sample;
mod staging;
mod unpack;
#[cfg(test)]
mod unpack_place;
#[cfg(test)]
mod unpack_tests;

pub use error::UnpackError;
pub use manifest::{
    ManifestText, ManifestUnread, Outline, identity_of_tree, manifest_of_archive, manifest_of_tree,
    outline_of_archive,
};
pub use members::{Notes, Origin};
pub use pax::DESCRIBE;
pub use rule::Rule;
pub use staging::{EXECUTABLE, PLAIN};
pub use unpack::{Progress, Received, UnpackLimits, unpack};
