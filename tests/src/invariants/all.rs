//! All of them together.

use anyhow::{Context as _, Result, ensure};
use protocol::{AppHealth, Phase};

use super::app_snapshot::{AppSnapshot, InstalledApp};
use super::{agents, history, releases, slots};
use crate::booted::Member;
use crate::{Host, LONG, eventually};

/// When a host is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Wherever it was stopped. The updater must be down: it would go on between two looks.
    Any,
    /// Nothing is under way, the last transaction was finished, and its agent was started.
    AtRest,
}

/// All that is wrong with an app, as sentences; empty if nothing is.
pub fn violations(installed: &InstalledApp, moment: Moment) -> Vec<String> {
    let app = match AppSnapshot::look(installed) {
        Ok(app) => app,
        Err(error) => return vec![format!("{error:#}")],
    };
    let mut wrong = Vec::new();
    slots::check(&app, moment, &mut wrong);
    releases::check(&app, moment, &mut wrong);
    agents::check(&app, moment, &mut wrong);
    history::check(&app, moment, &mut wrong);
    wrong
}

impl Host {
    /// Looks whether what must hold at any instant holds of its app `agent` and of its updater's
    /// own releases. The updater must be down.
    ///
    /// # Errors
    /// All that does not hold.
    pub fn holds(&self) -> Result<()> {
        self.check(Moment::Any)
    }

    /// Waits until nothing is under way, the active release's agent runs and the updater itself is
    /// not being updated, and looks whether what must hold then does.
    ///
    /// # Errors
    /// All that does not hold; with the updater's log.
    pub fn rests(&self) -> Result<()> {
        self.idle()?;
        looked_after(|| self.app()).with_context(|| self.log())?;
        let own = self.directory.join("state/apps").join(protocol::SELF_APP).join("journal.json");
        eventually("the updater's own update to be over", LONG, || (!own.exists()).then_some(()))?;
        self.check(Moment::AtRest).with_context(|| self.log())
    }

    fn check(&self, moment: Moment) -> Result<()> {
        check(moment, |app| InstalledApp::of(&self.config(), app))
    }
}

impl Member {
    /// As [`Host::holds`]. The host may be off.
    ///
    /// # Errors
    /// All that does not hold.
    pub fn holds(&self) -> Result<()> {
        self.check(Moment::Any)
    }

    /// As [`Host::rests`].
    ///
    /// # Errors
    /// All that does not hold; with the updater's journal.
    pub fn rests(&self) -> Result<()> {
        eventually("nothing to be under way", LONG, || {
            let app = self.app().ok()?;
            (app.state == Phase::Idle).then_some(())
        })
        .and_then(|()| looked_after(|| self.app()))
        .and_then(|()| self.check(Moment::AtRest))
        .with_context(|| self.journals())
    }

    fn check(&self, moment: Moment) -> Result<()> {
        let (disk, proc) = (self.machine.disk(), self.machine.path("/proc"));
        let config = disk.join("etc/updater/updater.toml");
        check(moment, |app| InstalledApp::below(&disk, &proc, &config, app))
    }
}

/// Waits until the agent runs, if it is meant to.
fn looked_after(app: impl Fn() -> Result<AppHealth>) -> Result<()> {
    eventually("the agent to be looked after", LONG, || {
        let app = app().ok()?;
        let stranded = app.warnings.iter().any(|warning| warning.starts_with("stranded"));
        // A first install that was taken back leaves nothing to look after.
        (app.healthy || stranded || app.active.is_none()).then_some(())
    })
}

fn check(moment: Moment, installed: impl Fn(&str) -> Result<InstalledApp>) -> Result<()> {
    let mut wrong = Vec::new();
    for app in [protocol::DEFAULT_APP, protocol::SELF_APP] {
        let found = violations(&installed(app)?, moment);
        wrong.extend(found.into_iter().map(|sentence| format!("{app}: {sentence}")));
    }
    ensure!(wrong.is_empty(), "it does not hold, {moment:?}:\n  {}", wrong.join("\n  "));
    Ok(())
}
