//! A drill on the real machine: a scratch app beside the real ones is installed, flipped, killed at
//! checkpoints, recovered and taken back, by the same code and on the same disks.
//!
//! It must never touch a real app, nor leave anything behind: neither files nor processes, however
//! it ends.

mod action;
mod drilled_app;
mod error;
mod last_report;
mod release;
mod run;
mod scratch_app;

pub use action::{DrillAction, carry_out};
pub use error::DrillError;
pub use last_report::{keep_last, read_last};
pub use run::{Drill, sweep};
