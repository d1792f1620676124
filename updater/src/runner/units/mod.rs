//! The runner whose agent is units of systemd's.
//!
//! systemd starts and stops them, keeps their processes together, and starts them again when they
//! die. The updater says when, proves what runs, and puts unit files of releases in place and back.
//! It never starts a unit again that systemd looks after.

mod control;
mod environment_file;
mod files;
mod follow;
mod handover_obstacles;
mod handover_runner;
mod journal_log;
mod of_release;
mod order;
mod own_processes;
mod runner;
mod shipped;
mod started;
mod template_instance;

pub(super) use control::mark_of;
pub use handover_obstacles::{HandoverObstacle, handover_obstacles};
pub(super) use handover_runner::HandoverUnitsRunner;
pub(super) use runner::UnitsRunner;
pub use shipped::{check_units, read_units};
pub(super) use started::{Amiss, Started};
pub use started::{none_reloads, none_stays};
pub(super) use template_instance::TemplateInstance;
