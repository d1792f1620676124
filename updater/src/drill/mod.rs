//! A drill on the real machine: a scratch app beside the real ones is installed, flipped, killed at
//! checkpoints, recovered and taken back, by the same code and on the same disks.
//!
//! It must never touch a real app, nor leave anything behind: neither files nor processes, however
//! it ends.

mod act;
mod conduct;
mod error;
mod last;
mod release;
mod scratch;
mod step;

pub use act::{Act, act};
pub use conduct::{Drill, sweep};
pub use error::DrillError;
pub use last::{keep_last, read_last};
