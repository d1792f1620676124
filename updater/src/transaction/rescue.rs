//! What the rescue did while no updater could (`systemd/rescue`): it took the updater's release
//! back, and left a link to the one that kept dying. The next updater writes it down.

use protocol::{CallerKind, Code, Digest, FORMAT, Kind, LastTransaction, Outcome, TransactionId};
use uuid::Uuid;

use super::{AppSettings, Failure, add_line};
use crate::release::Slot;
use crate::sys::wall_clock;

const WHY: &str = "the updater kept dying, and its rescue went back to the release before";

/// What an operator should know until another updater runs here; of the updater's own last transaction.
pub fn rescue_warning(last: &LastTransaction, running: Digest) -> Option<String> {
    let left = last.from.filter(|_| last.caller == CallerKind::Rescue)?;
    let is_what_it_went_to = last.to.is_none_or(|to| to == running);
    is_what_it_went_to.then(|| {
        format!(
            "its updater was rescued from {}, which kept dying: push another updater (see journalctl -u updater there)",
            left.short()
        )
    })
}

impl AppSettings {
    /// Writes a rescue down, if there was one: the release that was left has failed here, and the history
    /// has a line. Done before anything else is asked of the updater's own releases.
    pub fn record_rescue(&self) -> Result<(), Failure> {
        let Some(left) = self.layout.slot(Slot::Rescued)? else { return Ok(()) };
        let active = self.layout.slot(Slot::Active)?;
        // The power went before anything was changed.
        if active != Some(left) {
            let now = wall_clock();
            self.change_release_states(|states| states.rescued_from(left, WHY, now))?;
            let app = &self.name;
            tracing::warn!(%app, digest = %left, "{app}: {WHY}: {} was left", left.short());
            let line = LastTransaction {
                format: FORMAT,
                transaction: TransactionId::new(Uuid::now_v7()),
                kind: Kind::Rollback,
                outcome: Outcome::RolledBack,
                code: Some(Code::RolledBack),
                detail: Some(WHY.to_owned()),
                host_fault: false,
                from: Some(left),
                to: active,
                target: active,
                started_at: now,
                ended_at: now,
                epoch: None,
                order: None,
                caller: CallerKind::Rescue,
                by: None,
            };
            add_line(&self.files.history(), &line)?;
        }
        Ok(self.layout.forget_rescued()?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::Config;
    use crate::systemd::BusConnection;
    use crate::transaction::{ReleaseStates, read_history};

    #[test]
    fn a_rescue_is_written_down_once() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        let config = format!("state_dir = '{here}'\n[app.agent]\ninstall_dir = '{here}/install'\n");
        let config = Config::parse(&config).unwrap();
        let settings =
            AppSettings::new("agent".parse().unwrap(), &config, &BusConnection::default()).unwrap();
        let digest = |number| Digest::from_bytes([number; 32]);
        let (good, bad) = (digest(1), digest(2));
        fs::create_dir_all(settings.files.directory()).unwrap();
        settings.layout.create().unwrap();
        settings.layout.flip(&good).unwrap();
        let rescued = directory.path().join("install/releases/rescued");
        let history = || read_history(&settings.files.history()).unwrap();

        symlink(format!("store/{}", good.hex()), &rescued).unwrap();
        settings.record_rescue().unwrap();
        assert!(!rescued.is_symlink() && history().is_empty());

        // It was proven when it came.
        let proven = |states: &mut ReleaseStates| states.proved(bad, wall_clock());
        settings.change_release_states(proven).unwrap();
        symlink(format!("store/{}", bad.hex()), &rescued).unwrap();
        settings.record_rescue().unwrap();
        settings.record_rescue().unwrap();
        assert_eq!(history().len(), 1);
        assert_eq!((history()[0].from, history()[0].to), (Some(bad), Some(good)));
        assert!(settings.release_states().unwrap().failed_here(&bad));

        let last = history().remove(0);
        let told = rescue_warning(&last, good).unwrap();
        assert!(told.contains("rescued from 02020202"), "{told}");
        assert_eq!(rescue_warning(&last, digest(3)), None);
    }
}
