//! systemd: over D-Bus units are started, stopped and looked at, and what became of an order is heard
//! from systemd itself; by `sd_notify(3)` it is told of the updater. Nothing here polls, and no wait is
//! without a deadline.
//!
//! It knows units. It must know nothing of releases, and of what is done when one fails.

mod activation;
mod calls;
mod changes;
mod command;
mod connection;
mod error;
mod exec;
mod interface;
mod jobs;
mod journal;
mod journal_runs;
pub mod notify;
mod query;
mod state;
mod unit_name;
mod variables;

pub use activation::Activation;
pub use calls::Systemd;
pub use command::CommandUnits;
pub(crate) use command::Confinement;
pub use connection::{Bus, BusConnection, is_running};
pub use error::SystemdError;
pub(crate) use exec::{command_properties, micros};
pub(crate) use interface::Property;
pub use jobs::JobResult;
pub use journal::read_journal;
pub(crate) use journal_runs::{JournalEntry, JournalRuns, RunUnits};
pub use state::{Load, UnitState};
pub use unit_name::{OWN_SERVICE, UNIT_DIRECTORY, is_template, is_unit_name, template_of};
pub(crate) use variables::{Variables, lasting_variables, variables_text};
