//! What an app is made of. Each part has its own data, and its first lines say what may change it. The
//! settings never change.

mod agent_control;
mod cleanup;
mod condition;
mod lost_release;
mod releases;
mod self_update;
mod settings;
mod signals;
mod status_board;
mod stored_data;

pub use agent_control::AgentControl;
pub use condition::ProbeState;
pub use lost_release::lost_release;
pub use releases::KeptError;
pub(super) use self_update::SelfUpdate;
pub use settings::{AppError, AppSettings};
pub(super) use signals::{Signals, StopSignal};
pub use status_board::{AgentProcess, Status, StatusBoard};
pub(super) use stored_data::foreign_data;
