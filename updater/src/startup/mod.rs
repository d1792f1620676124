//! How an updater proper starts: what it is given, what it has to have before it serves, and when it takes
//! charge of the apps.
//!
//! The start waits for disks and for D-Bus, which may hang: it must never do so on a thread that also
//! listens for SIGTERM or answers `/health`.

mod context;
mod directories;
mod error;
mod orderly_end;
mod prepare;
mod starter;
mod updater;

pub use context::StartContext;
pub use directories::prepare_state_dir;
pub use error::StartError;
pub use orderly_end::note_orderly_end;
pub use updater::run_updater;
