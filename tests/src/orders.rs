//! Orders that a test stops at a moment of its own choosing, and does not wait for a clock to do so.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use protocol::{Phase, header};
use serde_json::Value;

use crate::booted::Member;
use crate::{Host, Lines, Release, Setup};

/// Longer than any test takes: what lasts that long is ended by the test.
const FOR_EVER: &str = "1h";

impl Setup {
    /// An agent has as long for its answer as it takes: it may be one of
    /// [`Behaviour::waits_for`](crate::Behaviour::waits_for).
    #[must_use]
    pub fn patient(self) -> Self {
        self.health("timeout", &format!("'{FOR_EVER}'"))
    }
}

impl Host {
    /// Gives an order, and follows it until it has come to a phase.
    ///
    /// # Errors
    /// When it ends before.
    pub fn order_until(&self, path: &str, release: &Release, phase: Phase) -> Result<Lines> {
        let mut lines = self.order(path, release).header("accept", header::NDJSON).lines()?;
        lines.until(&format!("\"phase\":\"{phase}\""))?;
        Ok(lines)
    }

    /// Orders a release, and follows it into a watch that does not end by itself.
    ///
    /// # Errors
    /// When it does not come to a watch.
    pub fn order_until_watched(&self, release: &Release) -> Result<Lines> {
        self.order_until(&format!("/update?watch={FOR_EVER}"), release, Phase::Watching)
    }

    /// Changes what the journal has of the order that is under way, as if time had passed otherwise. The
    /// updater must be down.
    ///
    /// # Errors
    /// When nothing is under way.
    pub fn change_journal(&self, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
        let path = self.state().join("journal.json");
        Ok(fs::write(&path, changed(&path, change)?)?)
    }

    /// Lets the time of the watch that is under way be over, as if the machine had slept since it began.
    /// The updater must be down; the next one has to look at the agent once more.
    ///
    /// # Errors
    /// When nothing is under way.
    pub fn sleep_through_watch(&self) -> Result<()> {
        self.change_journal(sleep_through)
    }

    /// A file that is not there, for an agent to wait for.
    pub fn gate(&self) -> PathBuf {
        self.directory.join("gate")
    }
}

impl Member {
    /// As [`Host::sleep_through_watch`]. The host must be off.
    ///
    /// # Errors
    /// When nothing is under way.
    pub fn sleep_through_watch(&self) -> Result<()> {
        let path = "/var/lib/updater/apps/agent/journal.json";
        let journal = changed(&self.machine.path(path), sleep_through)?;
        self.machine.write(path, journal, 0o600)
    }
}

/// The text of a journal in which something is changed.
fn changed(path: &Path, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<String> {
    let text = fs::read(path).context("read the journal of an order that is under way")?;
    let mut journal = serde_json::from_slice(&text)?;
    change(&mut journal)?;
    Ok(journal.to_string())
}

/// What a journal has of a watch of a second that began long ago.
fn sleep_through(journal: &mut Value) -> Result<()> {
    let since = journal.get_mut("since_boot").context("the journal says since when")?;
    since["millis"] = 0.into();
    journal["watch"] = "1s".into();
    Ok(())
}

/// Tries it with a time that is longer and longer, until it was long enough for what has to happen
/// within it. How long that is depends on what else this machine has to do.
///
/// # Errors
/// When it fails, or a minute is not enough.
pub fn with_more_and_more_time<T>(mut attempt: impl FnMut(&str) -> Result<Option<T>>) -> Result<T> {
    for time in ["500ms", "4s", "60s"] {
        if let Some(done) = attempt(time)? {
            return Ok(done);
        }
    }
    anyhow::bail!("a minute is not enough")
}
