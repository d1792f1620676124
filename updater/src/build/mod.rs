//! Building a release on its host. A build is foreign code: it runs as the app's user, with an
//! environment of its own, in the release's directory, under a deadline and with its output
//! bounded as it is read. It never runs in the updater's own environment.

mod confine;
mod contents;
mod environment;
mod plan;
mod python;
mod run;
#[cfg(test)]
mod tests;
mod workspace;

pub use contents::Contents;
pub use plan::{BuildPlan, plan};
pub use run::{BuildError, BuildReport, Conditions, run_build};
pub use workspace::forget_home;
