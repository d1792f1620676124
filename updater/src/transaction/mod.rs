//! The update transaction: what comes next, what is written down, who may go on.

mod alone;
mod app;
mod boot;
mod engine;
mod events;
mod evidence;
mod facts;
mod history;
mod journal;
mod lock;
pub mod machine;
mod migrations;
mod operate;
mod order;
mod own;
mod rescued;
mod status;
mod stop;
mod vouch;

pub use alone::carry_out;
pub use app::{App, AppError, Begun};
pub use engine::Recovery;
pub(crate) use engine::read_manifest;
pub use events::{Events, Wanted};
pub use evidence::{Evidence, evidence_file};
pub use facts::{Fact, Facts, FactsError};
pub use history::{add_line, has_line, is_stranded, read_history};
pub use journal::{Blame, Failure, Journal, JournalError};
pub use lock::{AppLock, try_lock};
pub use migrations::{Applied, Course, Migrations, Next, Progress};
pub use operate::Operation;
pub(crate) use order::internal;
pub use order::{Archive, KeptError, Order, Target, chain};
pub use status::{Agent, AppFiles, Status};
