//! What is on the disk of an app's transactions, in the state directory: out of reach of the releases.
//!
//! These formats are promises. Nothing here decides anything.

mod deaths;
pub(super) mod evidence;
mod history;
mod journal;
mod lines;
mod lock;
mod migrations;
mod operations;
mod orderly_end;
mod paths;
mod release_states;
mod reserve;
mod unproven;

pub(super) use deaths::Death;
pub use deaths::Deaths;
pub(super) use evidence::{Entered, Ran};
pub use evidence::{Evidence, evidence_file};
pub use history::{add_line, has_line, read_history};
pub use journal::Journal;
pub use lock::{AppLock, try_lock};
pub use migrations::{Applied, MigrationPlan, MigrationState, Migrations, Next};
pub use operations::Operations;
pub use orderly_end::OrderlyEnd;
pub use paths::AppFiles;
pub use release_states::{RecordedState, ReleaseStates};
pub(crate) use reserve::{RESERVE_BYTES, give_up_reserve, keep_reserve};
pub use unproven::{Unproven, UnprovenKind};
