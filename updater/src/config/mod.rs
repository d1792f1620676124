//! `/etc/updater/updater.toml`: what this host keeps up to date, and every bound that it has.
//!
//! A new key is one line in its section (`keys/`), what may be wrong with its value in `validate/`,
//! and one line in the book, `docs/configuration.md`. Parsing never touches the disk; looking at the
//! machine is `crate::check`'s.

mod finding;
mod keys;
#[cfg(test)]
mod manual;
mod parse;
mod probe_url;
mod section_table;
mod socket;
mod trusted_key;
mod validate;

pub use finding::{Finding, Severity, has_errors};
pub use keys::{
    AppConfig, BuildSetting, Config, HealthConfig, LimitsConfig, RunConfig, RunnerKind, SelfConfig,
    Strategy,
};
pub use parse::ConfigError;
pub(crate) use parse::Rest;
pub use probe_url::{UNIX, is_local, split_unix};
pub use socket::ListenSocket;
#[cfg(test)]
pub(crate) use trusted_key::testing;
pub use trusted_key::{MalformedKey, TrustedKey};
pub use validate::{leads_to_active, validate};
