//! The tree of a release, as a developer has it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{Packing, Release, program};

/// Where a booted host has the programs of the tests. They may be built anywhere, and much is hidden from
/// a unit of systemd: `/tmp`, `/home`.
pub(crate) const PROGRAMS_IN_BOOTED_HOSTS: &str = "/usr/local/lib/fleet-tests";

/// What the test agent does; the file `agent.json` of its release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct Behaviour {
    /// Says this in every answer.
    pub message: String,
    /// Prints this and ends with status 3, before it listens.
    pub crash: Option<String>,
    /// Waits this many milliseconds before it listens.
    pub slow_start_ms: u64,
    /// Answers nothing until there is this file.
    pub waits_for: Option<PathBuf>,
    /// Answers with this status instead of 200.
    pub status: Option<u16>,
    /// Ends after this many answers.
    pub dies_after: Option<u32>,
    /// Lives on after this many answers, and listens no more.
    pub closes_after: Option<u32>,
    /// Answers 500 after this many answers.
    pub fails_after: Option<u32>,
    /// Answers `GET /ready` with 503.
    pub never_ready: bool,
    /// Shuts what it was passed to listen on, for whoever else has it, and lives on.
    pub shuts: bool,
    /// Says nothing of its release.
    pub silent: bool,
    /// Does not end on TERM.
    pub ignores_term: bool,
    /// Leaves the listening to a child in a session of its own, which ignores TERM.
    pub leaves_a_child: bool,
    /// Speaks TLS, with the identity in `AGENT_IDENTITY`, to members of the fleet only.
    pub tls: bool,
}

/// A directory that will be packed.
#[derive(Debug)]
pub struct Tree {
    directory: TempDir,
}

impl Tree {
    /// An empty one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn empty() -> Result<Self> {
        Ok(Self { directory: tempfile::tempdir()? })
    }

    /// One with `bin/agent`, which behaves so.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn agent(behaviour: &Behaviour) -> Result<Self> {
        let tree = Self::empty()?;
        // The program itself is too large to be packed a hundred times; `exec` keeps the process.
        let (booted, here) = (format!("{PROGRAMS_IN_BOOTED_HOSTS}/agent"), program("agent")?);
        let script = format!(
            "#!/bin/sh\n[ ! -x {booted} ] || exec {booted} \"$@\"\nexec '{}' \"$@\"\n",
            here.display()
        );
        tree.program("bin/agent", &script)?;
        tree.file("agent.json", &serde_json::to_string(behaviour)?)?;
        Ok(tree)
    }

    /// A release of [`Tree::agent`], packed as `swarm` does.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn release(behaviour: &Behaviour) -> Result<Release> {
        Self::agent(behaviour)?.pack(Packing::Zstd)
    }

    /// A release whose agent is healthy, and says this.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn healthy(message: &str) -> Result<Release> {
        Self::saying(message)?.pack(Packing::Zstd)
    }

    /// A tree of [`Tree::agent`] whose agent is healthy, and says this.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn saying(message: &str) -> Result<Self> {
        Self::agent(&Behaviour { message: message.to_owned(), ..Behaviour::default() })
    }

    /// One with `bin/updater`, the updater itself, and a note that makes it another release.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn updater(note: &str) -> Result<Self> {
        let tree = Self::empty()?;
        tree.file("note", note)?;
        fs::create_dir(tree.path().join("bin"))?;
        fs::copy(program("updater")?, tree.path().join("bin/updater"))?;
        Ok(tree)
    }

    /// An updater that does what `script` says before it is one; where that changes nothing, it is like
    /// any other.
    ///
    /// # Errors
    /// As of [`Tree::updater`].
    pub fn updater_behind(note: &str, script: &str) -> Result<Release> {
        let tree = Self::updater(note)?;
        fs::rename(tree.path().join("bin/updater"), tree.path().join("bin/real"))?;
        let run = "exec \"$(dirname \"$0\")/real\" \"$@\"";
        tree.program("bin/updater", &format!("#!/bin/sh\n{script}\n{run}\n"))?;
        tree.pack(Packing::Zstd)
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file, with the directories above it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn file(&self, path: &str, content: &str) -> Result<()> {
        let path = self.path().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(fs::write(path, content)?)
    }

    /// Writes a file that can be run.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn program(&self, path: &str, content: &str) -> Result<()> {
        self.file(path, content)?;
        Ok(fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755))?)
    }

    /// Replaces a part of a file that has it.
    ///
    /// # Errors
    /// When it has not.
    pub fn replace(&self, path: &str, part: &str, with: &str) -> Result<()> {
        let text = fs::read_to_string(self.path().join(path))?;
        ensure!(text.contains(part), "{path} has no {part:?}");
        self.file(path, &text.replace(part, with))
    }

    /// Makes it ship unit files: their names, and what is in them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn units(&self, units: &[(&str, &str)]) -> Result<()> {
        let mut lines = vec!["[units]".to_owned()];
        for (name, text) in units {
            self.file(&format!("units/{name}"), text)?;
            lines.push(format!("\"{name}\" = \"units/{name}\""));
        }
        self.file("release.toml", &lines.join("\n"))
    }

    /// Makes a symlink.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn link(&self, path: &str, target: &str) -> Result<()> {
        Ok(symlink(target, self.path().join(path))?)
    }

    /// Its archive.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn pack(&self, packing: Packing) -> Result<Release> {
        Release::pack(self.path(), packing)
    }
}
