//! systemd, spoken to over D-Bus: units are started, stopped and looked at, and what became of an order
//! is heard from systemd itself. Nothing here polls, and no wait is without a deadline.
//!
//! It knows units. Of releases, and of what is done when one fails, it knows nothing.

mod bus;
mod error;
mod exec;
mod interface;
mod jobs;
mod journal;
mod state;
mod ties;

pub use bus::{Bus, Systemd};
pub use error::SystemdError;
pub(crate) use exec::{command_properties, micros};
pub(crate) use interface::Property;
pub use jobs::JobResult;
pub use journal::last_lines;
pub use state::{Load, UnitState};
pub use ties::Ties;

use std::path::Path;

/// Whether systemd is what runs this machine (`sd_booted(3)`).
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}
