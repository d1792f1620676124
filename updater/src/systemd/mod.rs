//! systemd, spoken to over D-Bus: units are started, stopped and looked at, and what became of an order
//! is heard from systemd itself. Nothing here polls, and no wait is without a deadline.
//!
//! It knows units. Of releases, and of what is done when one fails, it knows nothing.

mod activation;
mod bus;
mod command;
mod error;
mod exec;
mod interface;
mod jobs;
mod journal;
mod state;
mod unit_name;
mod variables;

pub use activation::Ties;
pub use bus::{Bus, Systemd};
pub use command::CommandUnits;
pub(crate) use command::Confinement;
pub use error::SystemdError;
pub(crate) use exec::{command_properties, micros};
pub(crate) use interface::Property;
pub use jobs::JobResult;
pub use journal::last_lines;
pub use state::{Load, UnitState};
pub use unit_name::{is_template, is_unit_name, template_of};
pub(crate) use variables::{Variables, variables_text};

use std::path::Path;

use nix::unistd::Uid;

/// Where the bus listens, unless the environment says otherwise (the D-Bus specification).
const BUS: &str = "/run/dbus/system_bus_socket";
const BUS_ADDRESS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// Whether systemd is what runs this machine (`sd_booted(3)`).
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether there is a bus to speak to it over. Its socket is there from early in the boot on, whether
/// or not anybody answers yet.
pub fn has_bus() -> bool {
    std::env::var_os(BUS_ADDRESS).is_some() || Path::new(BUS).exists()
}

/// Whether units can be made here: systemd runs, takes orders from this user, and can be told.
pub fn makes_units() -> bool {
    is_running() && Uid::effective().is_root() && has_bus()
}
