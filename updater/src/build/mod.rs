//! Building a release on its host. A build is foreign code: it runs as the app's user, with an
//! environment of its own, in the release's directory, under a deadline and with its output
//! bounded as it is read. It never runs in the updater's own environment.

mod caches;
mod clean;
mod confine;
mod environment;
mod error;
mod facts;
mod plan;
mod run;
#[cfg(test)]
mod tests;
mod workspace;

pub use caches::{bound_caches, clean_caches, size_of_caches};
pub use clean::clean;
pub use error::BuildError;
pub use facts::ReleaseFacts;
pub use plan::{BuildPlan, Contents, PlanError, plan};
pub use run::{BuildReport, Conditions, run_build};
pub use workspace::forget_home;
