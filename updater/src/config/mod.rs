//! `/etc/updater/updater.toml`: what this host keeps up to date, and every bound that it has.
//!
//! A new key is one line in its section (`sections/`), what may be wrong with its value in `validate/`,
//! and one line in the book, `docs/configuration.md`. Parsing never touches the disk; looking at the
//! machine is `crate::check`'s.

mod finding;
#[cfg(test)]
mod manual;
mod parse;
mod section_table;
mod sections;
mod socket;
mod trusted_key;
mod validate;

pub use finding::{Finding, Severity, has_errors};
pub use parse::ConfigError;
pub use sections::{
    AppConfig, BuildSetting, Config, HealthConfig, LimitsConfig, RunConfig, RunnerKind, SelfConfig,
    Strategy,
};
pub use socket::ListenSocket;
#[cfg(test)]
pub(crate) use trusted_key::testing;
pub use trusted_key::{MalformedKey, TrustedKey};
pub use validate::validate;
