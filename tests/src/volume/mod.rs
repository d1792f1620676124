//! File systems of a test's own, which can be small, and can lose their power.

mod disk;
mod private;
mod shutdown;

pub use disk::{FileSystem, Frozen, Volume};
pub use private::alone_with_mounts;
