//! The runner whose agent is units of systemd's.
//!
//! systemd starts and stops them, keeps their processes together, and starts them again when they
//! die. The updater says when, proves what runs, and puts unit files of releases in place and back.
//! It never starts a unit again that systemd looks after.

mod control;
mod environment;
mod files;
mod follow;
mod hindrances;
mod order;
mod runner;
mod shipped;
mod side;
mod slots;
mod started;

pub(super) use control::mark_of;
pub use files::UNIT_DIRECTORY;
pub use hindrances::{Hindrance, hindrances};
pub(super) use runner::UnitsRunner;
pub use shipped::{check_units, is_unit_name, read_units};
pub(super) use side::Side;
pub use side::is_template;
pub(super) use slots::SlotsRunner;
pub(super) use started::Started;
