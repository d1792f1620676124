//! The keys at the top of the file, and the sections below.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::AppName;

use super::{AppConfig, LimitsConfig, SelfConfig};

section! {
    /// The whole file.
    pub struct Config {
        /// Where the API listens: an address and a port.
        pub listen: String = format!("0.0.0.0:{}", protocol::DEFAULT_UPDATER_PORT),
        /// The directory of `updater.key`, `updater.crt` and `ca.crt`.
        pub identity: PathBuf = "/etc/updater/identity".into(),
        /// Where journals, histories and evidence are kept.
        pub state_dir: PathBuf = "/var/lib/updater".into(),
        /// Refuse orders that carry no epoch.
        pub require_epoch: bool = false,
        /// What is taken from outside, at most.
        pub limits: LimitsConfig = LimitsConfig::default(),
        /// The updater's own releases.
        #[serde(rename = "self")]
        pub self_update: SelfConfig = SelfConfig::default(),
        /// The programs that are kept up to date.
        #[serde(rename = "app")]
        pub apps: BTreeMap<AppName, AppConfig> = BTreeMap::new(),
    }
}
