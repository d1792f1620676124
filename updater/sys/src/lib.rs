//! The operating system: clocks, processes, directories by their handles.

mod adopt;
mod background;
pub mod bounds;
mod checkpoint;
mod clock;
pub mod control_group;
pub mod executable;
pub mod fs;
mod gate;
pub mod job;
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
mod unsafe_calls;
pub mod user;

pub use adopt::{adopt_descriptor, passed_descriptors};
pub use background::{SpareThread, blocking, spawn_task, spawn_thread};
pub use checkpoint::{CHECKPOINTS, CRASH_AT, KILLED, REACHED, checkpoint, crash_at};
pub use clock::{BootTime, wall_clock};
pub use fs::free_space;
pub use gate::Admission;
pub use limits::Limits;
pub use name::printable_name;
pub use prepare::Lifetime;
pub use spawn_error::SpawnError;
