//! The sections of the file, one a module: each key with its type, its default, and what it is for.
//! What the values mean together is for `validate` to judge.

#[macro_use]
mod section;
mod app;
mod daemon;
mod health_probe;
mod limits;
mod run;
mod self_update;

pub use app::{AppConfig, BuildSetting};
pub use daemon::Config;
pub use health_probe::HealthConfig;
pub use limits::LimitsConfig;
pub use run::{RunConfig, RunnerKind, Strategy};
pub use self_update::SelfConfig;
