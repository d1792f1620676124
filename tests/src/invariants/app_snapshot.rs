//! One look at an app: its links, its files, its processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use protocol::{Digest, LastTransaction, Outcome, RELEASE_RECORD, SELF_APP};
use updater::config::Config;
use updater::release::{Layout, Slot};
use updater::transaction::machine::after_switch;
use updater::transaction::{AppFiles, Journal, ReleaseStates, UnprovenKind};

/// Where an app is, and what its configuration promises.
#[derive(Debug, Clone)]
pub struct InstalledApp {
    pub(super) layout: Layout,
    pub(super) files: AppFiles,
    /// What is not part of a release's tree, though it lies in it.
    pub(super) reserved: Vec<String>,
    pub(super) keep: usize,
    /// Whether it is the updater itself, which has no agent.
    pub(super) own: bool,
    /// So many processes of one start say which release they are of: one, or one a unit.
    pub(super) processes: usize,
    /// Its store, as its own processes see it.
    store: PathBuf,
    /// Where those processes are seen.
    proc: PathBuf,
}

impl InstalledApp {
    /// An app as the updater's configuration has it; `updater` for the updater's own releases.
    ///
    /// # Errors
    /// When the configuration cannot be read, or has no such app.
    pub fn of(config: &Path, app: &str) -> Result<Self> {
        Self::below("/".as_ref(), "/proc".as_ref(), config, app)
    }

    /// The same of a host whose disk is seen at `root`, and its processes at `proc`.
    ///
    /// # Errors
    /// As of [`InstalledApp::of`].
    pub fn below(root: &Path, proc: &Path, config: &Path, app: &str) -> Result<Self> {
        let config = Config::load(config)?;
        let name = app.parse()?;
        let seen = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        let files = AppFiles::new(&seen(&config.state_dir), &name);
        let mut reserved = vec![RELEASE_RECORD.to_owned()];
        let own = app == SELF_APP;
        let (install, keep, processes) = if own {
            (&config.self_update.install_dir, config.self_update.keep, 0)
        } else {
            let app = config.apps.get(&name).with_context(|| format!("there is no app {name}"))?;
            reserved.extend(app.links.iter().map(|link| link.trim_end_matches('/').to_owned()));
            (&app.install_dir, app.keep, app.run.units.len().max(1))
        };
        let (layout, store) = (Layout::new(seen(install)), Layout::new(install).store());
        let proc = proc.to_owned();
        Ok(Self { layout, files, reserved, keep, own, processes, store, proc })
    }
}

/// What was seen of it.
pub(super) struct AppSnapshot<'a> {
    pub(super) installed: &'a InstalledApp,
    pub(super) active: Option<Digest>,
    pub(super) prev: Option<Digest>,
    pub(super) journal: Option<Journal>,
    pub(super) facts: ReleaseStates,
    /// The history's lines, the newest last. Torn ones are left out.
    pub(super) history: Vec<LastTransaction>,
    /// Every start of an agent of which a process lives, by its mark.
    pub(super) agents: BTreeMap<String, Digest>,
}

impl<'a> AppSnapshot<'a> {
    pub(super) fn look(installed: &'a InstalledApp) -> Result<Self> {
        let InstalledApp { layout, files, .. } = installed;
        let history = match fs::read_to_string(files.history()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.context("read the history")?,
        };
        Ok(Self {
            installed,
            active: layout.slot(Slot::Active).context("read active")?,
            prev: layout.slot(Slot::Prev).context("read prev")?,
            journal: Journal::read(&files.journal())?,
            facts: ReleaseStates::read(&files.release_states())?,
            history: history.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            agents: agents_of(&installed.proc, &installed.store),
        })
    }

    /// Whether the links may be on the move.
    pub(super) fn switching(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| after_switch(journal.phase))
    }

    /// Whether one agent may run beside the other.
    pub(super) fn handing_over(&self) -> bool {
        self.switching() && self.journal.as_ref().is_some_and(|journal| journal.handover)
    }

    /// Whether no release could be proven, and none was since.
    pub(super) fn stranded(&self) -> bool {
        let ending = self.journal.as_ref().and_then(|journal| journal.outcome);
        ending == Some(Outcome::Stranded)
            || UnprovenKind::by_history(&self.history) == Some(UnprovenKind::Stranded)
    }

    /// Whether a release is the program that ran before any was pushed, or that a newer package brought.
    /// It is made before anything is known of an order, and by no transaction.
    pub(super) fn is_seed(&self, digest: &Digest) -> bool {
        let fact = self.facts.get(digest);
        self.installed.own
            && fact.is_some_and(|fact| fact.tree.is_none() && fact.proven_at.is_some())
    }

    /// The release that the running transaction came from.
    pub(super) fn from(&self) -> Option<Digest> {
        self.journal.as_ref().and_then(|journal| journal.from)
    }

    /// The release that the running transaction goes to.
    pub(super) fn to(&self) -> Option<Digest> {
        self.journal.as_ref().and_then(|journal| journal.to)
    }
}

/// The living processes that say they were started from this store, as their environment has it.
fn agents_of(proc: &Path, store: &Path) -> BTreeMap<String, Digest> {
    let Ok(processes) = fs::read_dir(proc) else { return BTreeMap::new() };
    let environments = processes
        .filter_map(|entry| fs::read(entry.ok()?.path().join("environ")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    environments
        .filter_map(|environment| {
            let value = |name: &str| {
                let mut all = environment.split('\0').filter_map(|one| one.split_once('='));
                all.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
            };
            let path = PathBuf::from(value("RELEASE_PATH")?);
            let digest = value("RELEASE_DIGEST")?.parse().ok()?;
            // systemd's mark of a start, where it is a unit.
            let mark = value("RELEASE_INSTANCE").or_else(|| value("INVOCATION_ID"))?;
            path.starts_with(store).then_some((mark, digest))
        })
        .collect()
}
