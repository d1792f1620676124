//! `/etc/updater/updater.toml`: what this host keeps up to date, and every bound that it has.
//!
//! Every deadline and every limit has a key and a default here. Parsing never touches the disk.

mod finding;
mod keys;
#[cfg(test)]
mod manual;
mod model;
mod parse;
mod socket;
mod validate;

pub use finding::{Finding, Severity, has_errors};
pub use model::{
    AppConfig, BuildSetting, Config, DEFAULT_OWN_INSTALL_DIR, HealthConfig, LimitsConfig,
    RunConfig, RunnerKind, SelfConfig, Strategy,
};
pub use parse::ConfigError;
pub use socket::ListenSocket;
pub use validate::validate;
