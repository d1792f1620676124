//! What git knows of a directory.
//!
//! Whether there is a work tree is seen from the files, not from git's answer: a git that fails
//! must not turn into "everything is packed".

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::pack::PackError;

/// A directory in a git work tree.
pub(super) struct WorkTree {
    /// What git tracks in it, relative to it. A file that was deleted is still here.
    pub(super) tracked: BTreeSet<String>,
    /// What it neither tracks nor ignores; a directory ends in `/`.
    pub(super) untracked: BTreeSet<String>,
    /// Whether a tracked file differs from the commit, or git was told not to look.
    pub(super) dirty: bool,
    /// The commit that is checked out; absent before the first.
    pub(super) commit: Option<Commit>,
}

pub(super) struct Commit {
    /// Its name, in hex.
    pub(super) name: String,
    /// When it was made, in seconds since 1970.
    pub(super) time: u64,
}

/// What git says of the directory; `None` if it is in no work tree.
pub(super) fn look(root: &Path) -> Result<Option<WorkTree>, PackError> {
    let absolute = root.canonicalize().map_err(PackError::read(root))?;
    if !absolute.ancestors().any(|above| above.join(".git").symlink_metadata().is_ok()) {
        return Ok(None);
    }
    let git = Git { root };
    let mut tracked = BTreeSet::new();
    let mut dirty = false;
    let listed = git.run(&["ls-files", "-z", "-v", "--cached", "--recurse-submodules"])?;
    for line in lines(&listed.stdout) {
        let (tag, path) = line.split_at_checked(2).unwrap_or((b"? ", line));
        let path = path_of(path)?;
        // Lower case: "assume unchanged". `S`: not in a sparse check-out. Git does not look at
        // either, so it cannot say that they are what the commit says.
        dirty |= tag != b"H ";
        tracked.insert(path);
    }
    let others = ["ls-files", "-z", "--others", "--exclude-standard", "--directory"];
    let others = git.run(&[&others[..], &["--no-empty-directory"]].concat())?;
    let status = ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=no"];
    let status = git.run(&[&status[..], &["--ignore-submodules=none", "--", "."]].concat())?;
    dirty |= !status.stdout.is_empty();
    let untracked = lines(&others.stdout).map(path_of).collect::<Result<_, _>>()?;
    Ok(Some(WorkTree { tracked, untracked, dirty, commit: git.commit()? }))
}

struct Git<'a> {
    root: &'a Path,
}

impl Git<'_> {
    fn commit(&self) -> Result<Option<Commit>, PackError> {
        let head = self.output(&["rev-parse", "--quiet", "--verify", "HEAD"])?;
        if head.status.code() == Some(1) && head.stderr.is_empty() {
            return Ok(None);
        }
        let listed = self.run(&["rev-list", "--max-count=1", "--timestamp", "HEAD"])?;
        let text = String::from_utf8_lossy(&listed.stdout).trim().to_owned();
        let (time, name) = text
            .split_once(' ')
            .ok_or_else(|| self.error(format!("it names no commit but {text:?}")))?;
        // A commit from before 1970 has a negative time, which an archive cannot say.
        Ok(Some(Commit { name: name.to_owned(), time: time.parse().unwrap_or(0) }))
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, PackError> {
        let output = self.output(arguments)?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let silent = || output.status.to_string();
        Err(self.error(if said.is_empty() { silent() } else { said.join(" ") }))
    }

    fn output(&self, arguments: &[&str]) -> Result<Output, PackError> {
        let mut command = Command::new("git");
        // Set by git itself where it runs a hook: they would send it to another repository.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .arg("-C")
            .arg(self.root)
            .args(["-c", "core.fsmonitor=false"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.error(format!("git does not start: {error}")))
    }

    fn error(&self, message: String) -> PackError {
        PackError::Git { root: self.root.to_owned(), message }
    }
}

/// What git listed with `-z`.
fn lines(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|&byte| byte == 0).filter(|line| !line.is_empty())
}

fn path_of(path: &[u8]) -> Result<String, PackError> {
    String::from_utf8(path.to_vec()).map_err(|error| {
        let name = String::from_utf8_lossy(error.as_bytes()).into_owned();
        PackError::refused(&name, "its name is not UTF-8")
    })
}
