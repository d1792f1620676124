//! The operating system: small durable files, clocks, processes, directories by their handles.

mod adopt;
pub mod bounds;
mod checkpoint;
mod clock;
pub mod fs;
pub mod output;
mod prepare;
pub mod proc;
pub mod process;
pub mod program;
pub mod run;
pub mod spawn;
mod subreaper;
pub mod tcp;
mod unsafe_calls;
pub mod user;

pub use adopt::{adopt_descriptor, passed_descriptors};
pub use checkpoint::{CHECKPOINTS, CRASH_AT, KILLED, REACHED, checkpoint};
pub use clock::{BootTime, wall_clock};
pub use fs::free_space;
