//! What a release's build is: a function of what its root has, what it says and what its host says. Pure,
//! but for the one look at the root.

mod contents;
mod decide;
mod error;
mod guess;
mod node;
mod python;
mod python_lock;
mod recipe;
mod unknown;
mod version;
mod version_range;

pub use contents::Contents;
pub(super) use decide::Tool;
pub use decide::{BuildPlan, plan};
pub use error::PlanError;
pub(super) use recipe::WantedVersion;
pub(super) use version::version_in;
