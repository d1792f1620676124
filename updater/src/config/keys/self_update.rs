//! `[self]`: the updater's own releases.

use std::path::PathBuf;

use protocol::Period;

use super::section::seconds;
use crate::config::TrustedKey;

section! {
    /// `[self]`.
    pub struct SelfConfig {
        /// Where the updater's own releases live.
        pub install_dir: PathBuf = "/opt/updater".into(),
        /// How long a new updater has to answer the master.
        pub takeover_timeout: Period = seconds(30),
        /// How many of its own releases are kept.
        pub keep: usize = 3,
        /// Who may sign its own releases; with none, signatures are not looked at.
        pub trusted_keys: Vec<TrustedKey> = Vec::new(),
    }
}
