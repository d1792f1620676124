//! One host on which points are tried, one after the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use protocol::{DEFAULT_APP, Digest, LastTransaction, SELF_APP};
use sys::{KILLED, REACHED};
use updater::release::{Layout, Slot, remove_tree};

use super::Scenario;
use super::scenario::ScenarioRun;
use crate::{Host, Setup, end_all};

/// The host, its updater down or up, and how often it has been through something.
#[derive(Debug)]
pub struct CrashedHost {
    pub(super) host: Host,
    scenario: Scenario,
    serial: u32,
    /// What was logged before the present point.
    logged: usize,
}

impl CrashedHost {
    /// A host of its own, with whatever the scenario needs to be there.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn new(scenario: Scenario) -> Result<Self> {
        let setup = Setup::default()
            .app("build", "['sh', '-c', 'echo built > built']")
            .app("keep", "2")
            .stores_data()
            .app("confirm_window", "'100ms'")
            .health("interval", "'10ms'")
            .health("watch", "'40ms'");
        // One that answered twice before a crash never gets ready after it: shorter than is waited here.
        let setup = if scenario.hands_over() {
            setup.handover().health("ready_timeout", "'20s'")
        } else {
            setup
        };
        let host = Host::alone_and_idle(&setup)?;
        let crashed = Self { host, scenario, serial: 0, logged: 0 };
        if !scenario.begins_empty() {
            crashed.host.start()?;
            // So many that from now on each new one makes an old one go.
            for message in ["first", "second", "third"] {
                crashed.host.installs(message)?;
            }
        }
        Ok(crashed)
    }

    /// Brings the host to where the scenario begins, and stops its updater there.
    pub(super) fn prepare(&mut self) -> Result<ScenarioRun> {
        self.serial += 1;
        let own = self.scenario == Scenario::SelfUpdate;
        if self.scenario.begins_empty() {
            self.host.kill()?;
            end_all(&self.host.install());
            remove_tree(&self.host.install())?;
            remove_tree(&self.host.state())?;
        } else {
            self.host.rests()?;
        }
        let running = if own { Some(self.host.health()?.digest) } else { None };
        self.host.kill()?;
        self.host.holds()?;
        self.logged = self.host.log().len();
        let layout = self.layout();
        let active = layout.slot(Slot::Active)?.or(running);
        let prev = layout.slot(Slot::Prev)?;
        let release = self.scenario.release(self.serial)?;
        let target = match (&release, self.scenario) {
            (Some(release), _) => Some(release.digest),
            (None, Scenario::Rollback) => prev,
            (None, _) => active,
        };
        Ok(ScenarioRun { active, prev, release, target: target.context("there is no release")? })
    }

    /// At which checkpoints an updater was killed since [`CrashedHost::prepare`].
    pub(super) fn kills(&self) -> Vec<String> {
        self.logged(KILLED)
    }

    /// Which checkpoints were passed since [`CrashedHost::prepare`].
    pub(super) fn passed(&self) -> BTreeSet<String> {
        self.logged(REACHED).into_iter().collect()
    }

    /// What was logged since [`CrashedHost::prepare`].
    pub(super) fn log(&self) -> String {
        self.host.log().get(self.logged..).unwrap_or_default().to_owned()
    }

    fn logged(&self, what: &str) -> Vec<String> {
        let log = self.log();
        let found = log.lines().filter_map(|line| line.split_once(what));
        found.map(|(_, name)| name.trim().to_owned()).collect()
    }

    /// The history of the app that the scenario is about.
    pub(super) fn history(&self) -> Vec<LastTransaction> {
        let text = fs::read_to_string(self.state().join("history.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Whether nothing is under way any more, as far as the disk tells.
    pub(super) fn is_written_down(&self) -> bool {
        !self.state().join("journal.json").exists()
    }

    /// What `prev` names of the app that the scenario is about.
    pub(super) fn prev(&self) -> Result<Option<Digest>> {
        Ok(self.layout().slot(Slot::Prev)?)
    }

    /// Lets the host go on with its life: another good release works.
    pub(super) fn goes_on(&self) -> Result<()> {
        self.host.installs(&format!("after {:?} {}", self.scenario, self.serial))?;
        self.host.rests()
    }

    fn layout(&self) -> Layout {
        let own = self.scenario == Scenario::SelfUpdate;
        Layout::new(if own { self.host.directory.join("self") } else { self.host.install() })
    }

    fn state(&self) -> PathBuf {
        let own = self.scenario == Scenario::SelfUpdate;
        self.host.directory.join("state/apps").join(if own { SELF_APP } else { DEFAULT_APP })
    }
}
