//! What must hold of every host: at any instant, and after any recovery. Said once, here; every
//! test that disturbs a host asks this, and gets all that is wrong at once.
//!
//! It looks at the disk and at `/proc` alone, so it can be asked with the updater up or down. It
//! changes nothing.

mod agents;
mod all;
mod app_snapshot;
mod history;
mod releases;
mod slots;

pub use all::{Moment, violations};
pub use app_snapshot::InstalledApp;
