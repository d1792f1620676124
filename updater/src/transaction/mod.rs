//! The update transaction: what comes next, what is written down, who may go on.

mod admission;
mod app;
mod boot;
mod engine;
mod events;
mod evidence;
mod history;
mod journal;
mod lock;
pub mod machine;
mod migrations;
mod operate;
mod release_states;
mod rescued;
mod run_without_daemon;
mod self_update;
mod signature_policy;
mod status;
mod stop;

pub(crate) use admission::internal;
pub use admission::{Archive, KeptError, Order, Target};
pub use app::{App, AppError, Begun};
pub use engine::Recovery;
pub(crate) use engine::read_manifest;
pub use events::{Events, Wanted};
pub use evidence::{Evidence, evidence_file};
pub use history::{add_line, has_line, is_stranded, read_history};
pub use journal::{Failure, FailureOrigin, Journal};
pub use lock::{AppLock, try_lock};
pub use migrations::{Applied, MigrationPlan, MigrationState, Migrations, Next};
pub use operate::Operation;
pub use release_states::{RecordedState, ReleaseStates};
pub use run_without_daemon::carry_out;
pub use status::{Agent, AppFiles, Status};
