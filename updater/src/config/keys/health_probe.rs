//! `[app.<name>.health]`: what the probe asks, how often, and how long a release is watched.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{Command, Period};

use super::section::{minutes, seconds};

section! {
    /// `[app.<name>.health]`. Without `url`, `tcp` and `command`, the agent's process counts: it must
    /// stay up for one `interval`.
    pub struct HealthConfig {
        /// Asked by HTTP or HTTPS, or at a Unix socket (`unix:PATH:/health`), whose path may be relative to the
        /// release.
        pub url: Option<String> = None,
        /// How it is asked.
        pub method: String = "GET".to_owned(),
        /// The statuses that are healthy; empty for those from 200 to 299.
        pub expect: Vec<u16> = Vec::new(),
        /// Whether the body of a healthy answer may be anything; else it must come to its end.
        pub any_body: bool = true,
        /// The `Host` header; absent for the host and port of the URL.
        pub host: Option<String> = None,
        /// Further headers of the question.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
        /// Connected to: `127.0.0.1:6379`.
        pub tcp: Option<String> = None,
        /// Run in the release, as the app's user; exit status 0 is healthy.
        pub command: Option<Command> = None,
        /// In a handover, asked of the new agent while the old one still serves: any status from 200
        /// to 299 says that it is ready. Absent for what `url` or `tcp` says.
        pub ready_url: Option<String> = None,
        /// How long the new agent has to become ready.
        pub ready_timeout: Period = seconds(10),
        /// Where in the answer's JSON the release's digest or path stands (RFC 6901). With it, only
        /// that counts.
        pub release_pointer: Option<String> = None,
        /// A directory with `client.crt`, `client.key` and `ca.crt` for an HTTPS probe; absent for
        /// the updater's own identity.
        pub identity: Option<PathBuf> = None,
        /// The name that the agent's certificate is for; absent for the host of the URL.
        pub server_name: Option<String> = None,
        /// Verify the agent's certificate.
        pub verify: bool = true,
        /// Do not verify it where the URL is one of this machine's own.
        pub insecure_localhost: bool = false,
        /// Ask without a client certificate.
        pub anonymous: bool = false,
        /// Waits before the first probe.
        pub warm_up: Period = seconds(0),
        /// Questions before the verdict, `interval` apart. A program that does not answer at all has as long,
        /// and one `timeout` more.
        pub attempts: u32 = 10,
        /// Between two answers.
        pub interval: Period = seconds(1),
        /// For one answer.
        pub timeout: Period = seconds(3),
        /// Between two questions outside of transactions.
        pub every: Period = seconds(30),
        /// Passes in a row that count as proof.
        pub passes: u32 = 1,
        /// How long a proven release is looked at.
        pub watch: Period = minutes(1),
        /// Failures in a row, in the watch, that reverse the update.
        pub watch_failures: u32 = 3,
    }
}
