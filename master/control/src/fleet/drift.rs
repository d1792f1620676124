//! What an app runs and what it should, in words.

use protocol::Digest;

use crate::fleet::AppStatus;

impl AppStatus {
    /// `runs 1.7.0 (9f86d081), should run 1.8.0 (60303ae2): missed in 3f9a61c2, unreachable`; nothing where
    /// it runs what it should, as far as is known.
    pub fn drift_words(&self) -> Option<String> {
        let desired = self.desired.filter(|_| self.drift || self.drift_reason.is_some())?;
        let should = named(&desired, self.desired_version.as_deref());
        let runs = match (&self.active, self.state) {
            (Some(active), _) => {
                format!("runs {}, ", named(&active.digest, active.version.as_deref()))
            }
            (None, Some(_)) => "runs nothing, ".to_owned(),
            (None, None) => String::new(),
        };
        let why = self.drift_reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        Some(format!("{runs}should run {should}{why}"))
    }
}

/// `1.8.0 (60303ae2)`, or `60303ae2`.
pub(super) fn named(digest: &Digest, version: Option<&str>) -> String {
    let short = digest.short();
    version.map_or_else(|| short.clone(), |version| format!("{version} ({short})"))
}
