//! Where the files of an app are in the state directory.

use std::path::{Path, PathBuf};

use protocol::{AppName, Digest};

/// The files of one app in the state directory.
#[derive(Debug, Clone)]
pub struct AppFiles {
    directory: PathBuf,
}

impl AppFiles {
    /// The files of `app` under `<state_dir>/apps/`.
    pub fn new(state_dir: &Path, app: &AppName) -> Self {
        Self { directory: state_dir.join("apps").join(app.as_str()) }
    }

    /// The directory that holds them all.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the running transaction stands.
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal.json")
    }

    /// Present where the updater was told to end while a transaction was under way.
    pub fn orderly_end(&self) -> PathBuf {
        self.directory.join("orderly_end.json")
    }

    /// Every transaction that ended.
    pub fn history(&self) -> PathBuf {
        self.directory.join("history.jsonl")
    }

    /// What an operator on the host did that is no transaction.
    pub fn operations(&self) -> PathBuf {
        self.directory.join("operations.jsonl")
    }

    /// What this host found out about each release.
    pub fn release_states(&self) -> PathBuf {
        self.directory.join("releases.json")
    }

    /// The highest counter of a signed release that was taken.
    pub fn counter(&self) -> PathBuf {
        self.directory.join("counter.json")
    }

    /// Which releases have changed the form of stored data.
    pub fn migrations(&self) -> PathBuf {
        self.directory.join("migrations.json")
    }

    /// The lock of one transaction at a time.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Where the home of its builds is.
    pub fn builds(&self) -> PathBuf {
        self.directory.join("cache")
    }

    /// All that the build under way has printed.
    pub fn build_log(&self) -> PathBuf {
        self.builds().join("output.log")
    }

    /// All that the command under way has printed: of a hook, or of a migration.
    pub fn command_log(&self) -> PathBuf {
        self.directory.join("command.log")
    }

    /// What each release consisted of after its build.
    pub fn tree_lists(&self) -> PathBuf {
        self.directory.join("trees")
    }

    /// The same of one release.
    pub fn tree_list(&self, digest: &Digest) -> PathBuf {
        self.tree_lists().join(digest.hex())
    }

    /// Room that is given up on a full disk.
    pub fn reserve(&self) -> PathBuf {
        self.directory.join("reserve")
    }

    /// What is kept of failures.
    pub fn evidence(&self) -> PathBuf {
        self.directory.join("evidence")
    }

    /// What the agent died of outside of transactions.
    pub fn deaths(&self) -> PathBuf {
        self.directory.join("deaths.json")
    }

    /// Present while nothing could be proven.
    pub fn unproven(&self) -> PathBuf {
        self.directory.join("unproven.json")
    }

    /// Present while an operator wants the agent to be stopped.
    pub fn stopped(&self) -> PathBuf {
        self.directory.join("stopped")
    }
}
