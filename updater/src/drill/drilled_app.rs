//! The steps of a drill: what is tried with the scratch app, and what must be so afterwards. What the disk
//! and the machine say counts, and never what the updater that did it says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use nix::libc::SIGKILL;
use protocol::{AppName, Digest, Outcome, Period};
use rustix::process::Signal;

use super::DrillError;
use super::action::ActionReport;
use super::release::Release;
use super::scratch_app::ScratchApp;
use crate::release::Slot;
use crate::sys::CRASH_AT;
use crate::sys::Lifetime;
use crate::sys::process::ProcessId;
use crate::sys::spawn::{Output, Spawn};
use crate::sys::user::User;
use crate::transaction::{App, Journal, read_history};

/// The program of this process, also where its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";
/// What of the end of an updater's words is told.
const TOLD: usize = 500;

/// The scratch app while it is drilled: what is done to it, and what it has to be like.
pub(super) struct DrilledApp<'a> {
    pub(super) scratch: &'a ScratchApp,
    pub(super) file: &'a Path,
    pub(super) beside: &'a AppName,
    /// The scratch app as this process sees it. It only looks.
    pub(super) app: Arc<App>,
    pub(super) limit: Period,
    pub(super) deadline: Instant,
    pub(super) releases: u32,
    /// Transactions that have ended.
    pub(super) lines: usize,
    /// What has to be active.
    pub(super) active: Option<Digest>,
    /// What a rollback has to go to.
    pub(super) prev: Option<Digest>,
}

impl DrilledApp<'_> {
    /// A release that was never here, and its archive.
    pub(super) fn release(&mut self, good: bool) -> Result<(Digest, PathBuf), DrillError> {
        self.releases += 1;
        let release = Release::pack(self.releases, good).map_err(DrillError::Pack)?;
        let path = self.scratch.config.state_dir.join("release.tar.zst");
        fs::write(&path, &release.archive).map_err(DrillError::disk("write", &path))?;
        Ok((release.digest, path))
    }

    /// An update to its end. Gives how long the flip took, in milliseconds.
    pub(super) fn update(&mut self, good: bool) -> Result<Option<u64>, DrillError> {
        let (digest, archive) = self.release(good)?;
        let acted = self.run_action(&["update", &archive.to_string_lossy()], None)?;
        if let Some(why) = acted.detail.filter(|_| good) {
            return Err(DrillError::Said(why));
        }
        if good {
            self.check_new_release(digest, Outcome::Updated)?;
        } else {
            self.check_end(Outcome::RolledBack)?;
        }
        Ok(acted.flip_ms)
    }

    /// A rollback to its end.
    pub(super) fn roll_back(&mut self) -> Result<(), DrillError> {
        let prev = self.prev.ok_or(DrillError::NotWhole("there is nothing to go back to"))?;
        let acted = self.run_action(&["rollback"], None)?;
        acted.detail.map_or(Ok(()), |why| Err(DrillError::Said(why)))?;
        self.check_new_release(prev, Outcome::RolledBack)
    }

    /// An update whose updater is killed. Gives where the update goes.
    pub(super) fn kill(&mut self, at: &'static str, good: bool) -> Result<Digest, DrillError> {
        let (digest, archive) = self.release(good)?;
        match self.run_action(&["update", &archive.to_string_lossy()], Some(at)) {
            Err(DrillError::Follow(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(acted) => {
                return Err(acted.detail.map_or(DrillError::NotKilled(at), DrillError::Said));
            }
        }
        self.check_current()?;
        Ok(digest)
    }

    /// Another updater finishes what the killed one began.
    pub(super) fn recover(&mut self, to: Digest, outcome: Outcome) -> Result<(), DrillError> {
        self.run_action(&["recover"], None)?;
        if outcome == Outcome::Updated {
            self.check_new_release(to, outcome)
        } else {
            self.check_end(outcome)
        }
    }

    fn check_new_release(&mut self, digest: Digest, outcome: Outcome) -> Result<(), DrillError> {
        self.prev = self.active.replace(digest);
        self.check_end(outcome)
    }

    /// Whether the last transaction ended so, and left the app whole.
    fn check_end(&mut self, expected: Outcome) -> Result<(), DrillError> {
        let files = &self.app.settings.files;
        if Journal::read(&files.journal())?.is_some() {
            return Err(DrillError::NotWhole("a journal is left"));
        }
        let history = files.history();
        let lines = read_history(&history).map_err(DrillError::disk("read", &history))?;
        let found = lines.last().map(|last| last.outcome);
        if found != Some(expected) {
            return Err(DrillError::Ended { expected, found });
        }
        self.lines += 1;
        if lines.len() != self.lines {
            return Err(DrillError::NotWhole("the history has not one line a transaction"));
        }
        let slot = |slot| {
            let install = self.app.settings.layout.install();
            self.app
                .settings
                .layout
                .slot(slot)
                .map_err(DrillError::disk("read the links in", install))
        };
        if slot(Slot::Active)? != self.active || slot(Slot::Prev)? != self.prev {
            return Err(DrillError::NotWhole("its links name other releases than they have to"));
        }
        self.check_current()?;
        let runs =
            self.active.is_some_and(|active| self.app.agent.running_instance(&active).is_some());
        if !runs {
            return Err(DrillError::NotWhole("the agent of the active release does not run"));
        }
        self.check_leftovers()
    }

    /// `current` is absent, or resolves to a whole release.
    fn check_current(&self) -> Result<(), DrillError> {
        let layout = &self.app.settings.layout;
        let link = layout.current();
        if fs::symlink_metadata(&link).is_err() {
            return Ok(());
        }
        let resolved = fs::canonicalize(&link).map_err(DrillError::disk("follow", &link))?;
        let active = layout.slot(Slot::Active).map_err(DrillError::disk("follow", &link))?;
        let active = active.ok_or(DrillError::NotWhole("current is there and active is not"))?;
        let release = layout.release(&active);
        let named = fs::canonicalize(&release).map_err(DrillError::disk("follow", &release))?;
        if resolved != named || !self.app.settings.is_kept(&active)? {
            return Err(DrillError::NotWhole("current leads to no whole release"));
        }
        Ok(())
    }

    fn check_leftovers(&self) -> Result<(), DrillError> {
        let layout = &self.app.settings.layout;
        let (incoming, store) = (layout.incoming(), layout.store());
        let mut entries = fs::read_dir(&incoming).map_err(DrillError::disk("read", &incoming))?;
        if entries.next().is_some() {
            return Err(DrillError::NotWhole("what was received is left"));
        }
        for digest in layout.stored().map_err(DrillError::disk("read", store))? {
            if !self.app.settings.is_kept(&digest)? {
                return Err(DrillError::NotWhole("half a release is left"));
            }
        }
        Ok(())
    }

    /// Starts an updater that does this, and waits for its end. One that was killed, as it has to
    /// be at `crash_at`, is an error of the kind `Interrupted`.
    fn run_action(
        &self,
        words: &[&str],
        crash_at: Option<&str>,
    ) -> Result<ActionReport, DrillError> {
        let file = self.file.to_string_lossy();
        let common = [PROGRAM, "drill-act", "--config", &file, "--app", self.beside.as_str()];
        let command: Vec<_> = common.iter().chain(words).map(|word| (*word).to_owned()).collect();
        let crash_at = crash_at.map(|at| (CRASH_AT.to_owned(), at.to_owned()));
        let variables: BTreeMap<_, _> = crash_at.into_iter().collect();
        let mut spawn = Spawn::new(&command, Path::new("/"), User::current()?, &variables)?;
        let (mut said, writer) = io::pipe().map_err(DrillError::Follow)?;
        spawn.output = Output::Pipe(writer);
        spawn.lifetime = Lifetime::ParentThread;
        let mut child = spawn.start()?;
        let process = ProcessId::of(child.id()).map(|id| id.open()).transpose();
        let process = process.map_err(DrillError::Follow)?.flatten();
        let ended = process.as_ref().map(|process| process.wait(Some(self.deadline))).transpose();
        let late = !ended.map_err(DrillError::Follow)?.unwrap_or(true);
        if let Some(process) = process.filter(|_| late) {
            process.signal(Signal::KILL).map_err(DrillError::Follow)?;
        }
        let status = child.wait().map_err(DrillError::Follow)?;
        if late {
            return Err(DrillError::TimedOut(self.limit));
        }
        if status.signal() == Some(SIGKILL) {
            return Err(DrillError::Follow(io::ErrorKind::Interrupted.into()));
        }
        let mut text = String::new();
        said.read_to_string(&mut text).map_err(DrillError::Follow)?;
        let told = || DrillError::Said(text.trim().chars().take(TOLD).collect());
        serde_json::from_str(&text).ok().filter(|_| status.success()).ok_or_else(told)
    }
}
