//! The operating system: clocks, processes, directories by their handles.

mod adopt;
mod background;
pub mod bounds;
mod checkpoint;
mod clock;
pub mod executable;
pub mod fs;
pub mod job;
pub mod kept;
mod limits;
mod name;
pub mod output;
mod prepare;
pub mod proc;
pub mod process;
pub mod program;
pub mod run;
pub mod spawn;
mod spawn_error;
mod subreaper;
pub mod tcp;
pub mod unified_group;
pub mod unix;
mod unsafe_calls;
pub mod user;

pub use adopt::{adopt_descriptor, passed_descriptors};
pub use background::{SpareThread, blocking, spawn_task, spawn_thread};
pub use checkpoint::{CHECKPOINTS, CRASH_AT, KILLED, REACHED, checkpoint, crash_at};
pub use clock::{BootTime, wall_clock};
pub use fs::free_space;
pub use limits::Limits;
pub use name::printable_name;
pub use prepare::Lifetime;
pub use spawn_error::SpawnError;
