//! What the rescue unit did while no updater could (`systemd/rescue`): it took the updater's release
//! back, and left a link to the one that kept dying. The next updater writes it down.

use protocol::{CallerKind, Code, FORMAT, Kind, LastTransaction, Outcome, TransactionId};
use uuid::Uuid;

use crate::release::Slot;
use crate::sys::wall_clock;
use crate::transaction::{App, ReleaseStates, add_line};

const WHY: &str = "the updater kept dying, and the rescue unit went back to the release before";

impl App {
    /// Writes a rescue down, if there was one: the release that was left has failed here, and the history
    /// has a line. Done before anything else is asked of the updater's own releases.
    pub fn note_rescue(&self) -> std::io::Result<()> {
        let Some(left) = self.layout.slot(Slot::Rescued)? else { return Ok(()) };
        let active = self.layout.slot(Slot::Active)?;
        // The power went before anything was changed.
        if active != Some(left) {
            let now = wall_clock();
            let mut facts =
                ReleaseStates::read(&self.files.facts()).map_err(std::io::Error::other)?;
            facts.failed(left, WHY, now);
            facts.write(&self.files.facts()).map_err(std::io::Error::other)?;
            tracing::warn!(app = %self.name, digest = %left, "{}: {WHY}: {} was left", self.name, left.short());
            let line = LastTransaction {
                format: FORMAT,
                transaction: TransactionId::new(Uuid::now_v7()),
                kind: Kind::Rollback,
                outcome: Outcome::RolledBack,
                code: Some(Code::RolledBack),
                detail: Some(WHY.to_owned()),
                from: Some(left),
                to: active,
                target: active,
                started_at: now,
                ended_at: now,
                epoch: None,
                order: None,
                caller: CallerKind::Rescue,
            };
            add_line(&self.files.history(), &line)?;
        }
        self.layout.forget_rescued()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use protocol::Digest;

    use super::*;
    use std::sync::Arc;

    use crate::config::Config;
    use crate::transaction::{Events, read_history};

    #[tokio::test]
    async fn a_rescue_is_written_down_once() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        let config = format!("state_dir = '{here}'\n[app.agent]\ninstall_dir = '{here}/install'\n");
        let config = Config::parse(&config).unwrap();
        let (events, handle) = (Events::new(wall_clock()), tokio::runtime::Handle::current());
        let app =
            App::new("agent".parse().unwrap(), &config, events, Arc::default(), handle).unwrap();
        let digest = |number| Digest::from_bytes([number; 32]);
        let (good, bad) = (digest(1), digest(2));
        fs::create_dir_all(app.files.directory()).unwrap();
        app.layout.create().unwrap();
        app.layout.flip(&good).unwrap();
        let rescued = directory.path().join("install/releases/rescued");

        symlink(format!("store/{}", good.hex()), &rescued).unwrap();
        app.note_rescue().unwrap();
        assert!(!rescued.is_symlink() && read_history(&app.files.history()).unwrap().is_empty());

        symlink(format!("store/{}", bad.hex()), &rescued).unwrap();
        app.note_rescue().unwrap();
        app.note_rescue().unwrap();
        let history = read_history(&app.files.history()).unwrap();
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].from, history[0].to), (Some(bad), Some(good)));
        assert!(ReleaseStates::read(&app.files.facts()).unwrap().failed_here(&bad));
    }
}
