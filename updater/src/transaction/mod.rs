//! The update transaction: what comes next, what is written down, which process may go on.
//!
//! `machine.rs` decides and knows no I/O. `files/` is what is on the disk of a transaction, `parts/`
//! what an app is made of, `engine/` carries one transaction out. The files here take orders, recover
//! and operate.

mod admission;
mod app;
mod archive;
mod counter_reset;
mod engine;
mod events;
mod failure;
mod files;
mod host_history;
mod look;
pub mod machine;
mod manifest;
mod operate;
mod order;
mod parts;
mod recovery;
mod rescue;
mod room;
mod run_without_daemon;
mod signature_policy;

pub use admission::Admission;
pub use app::{App, TakenBack};
pub use archive::{Archive, ArchiveMessage, ContradictionError, Declared};
pub use events::{EventFilter, Events};
pub use failure::{Failure, FailureOrigin};
pub use files::{
    AppFiles, AppLock, Applied, Deaths, Evidence, Journal, MigrationPlan, MigrationState,
    Migrations, Next, Operations, OrderlyEnd, RecordedState, ReleaseStates, Unproven, UnprovenKind,
    add_line, evidence_file, has_line, read_history, try_lock,
};
pub use operate::Operation;
pub use order::{Order, Target};
pub use parts::{
    AgentControl, AgentProcess, AppError, AppSettings, KeptError, ProbeState, Status, StatusBoard,
    lost_release,
};
pub use recovery::Recovery;
pub use rescue::rescue_warning;
pub use run_without_daemon::run_without_daemon;

use files::{Entered, Ran, evidence};
use manifest::read_manifest;
use parts::StopSignal;
