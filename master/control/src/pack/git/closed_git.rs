//! Git, in a git directory of our own that is linked to a repository's index, objects and references.
//!
//! So it reads no configuration of the tree's and of no user's, and has nothing to run: no filter, no
//! monitor, no hook, and no remote to fetch a missing object from. What it has to know of the
//! repository's configuration is copied word by word, from a closed list.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::interrupt::CancelToken;
use crate::pack::git::plain_files::{SHARED, check_plain_files, is_shared_index};
use crate::pack::git::repository::Repository;
use crate::pack::{PackError, program};

/// What is taken of a repository's own configuration: how its objects are named, and how short, and how its
/// files were put on the disk.
const KNOWN_KEYS: [&str; 9] = [
    "core.abbrev",
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.symlinks",
    "extensions.objectformat",
    "extensions.refstorage",
];

/// Git, closed to what a repository is configured to run.
pub(super) struct ClosedGit<'a> {
    root: &'a Path,
    repository: &'a Repository,
    variables: &'a [OsString],
    cancel: &'a CancelToken,
    directory: TempDir,
    settings: BTreeMap<String, String>,
}

impl<'a> ClosedGit<'a> {
    /// Git in `root`, which is in the repository's work tree. It does not get `variables`.
    pub(super) fn open(
        root: &'a Path,
        repository: &'a Repository,
        variables: &'a [OsString],
        cancel: &'a CancelToken,
    ) -> Result<Self, PackError> {
        let failed = |error: io::Error| PackError::git(root, error.to_string());
        check_plain_files(root, repository, cancel)?;
        let directory = tempfile::tempdir().map_err(failed)?;
        let settings = BTreeMap::new();
        let mut git = Self { root, repository, variables, cancel, directory, settings };
        git.link().map_err(failed)?;
        git.configure()?;
        Ok(git)
    }

    /// What the repository's configuration says of a known key, in small letters.
    pub(super) fn says(&self, key: &str, value: &str) -> bool {
        self.settings.get(key).is_some_and(|its| its == value)
    }

    /// Whether the user told git to trust this tree, though it is another user's.
    pub(super) fn is_trusted_by_user(&self) -> Result<bool, PackError> {
        let mut command = Command::new("git");
        for name in self.variables {
            command.env_remove(name);
        }
        command.current_dir("/").env("GIT_DIR", self.directory.path());
        command.args(["config", "-z", "--get-all", "safe.directory"]);
        let said = self.ended(&mut command)?;
        let top = self.repository.top.to_string_lossy();
        let trusted = String::from_utf8_lossy(&said.stdout);
        Ok(trusted.split('\0').any(|path| match path.strip_suffix('*') {
            Some("") => true,
            Some(above) => above.ends_with('/') && top.starts_with(above),
            None => path.trim_end_matches('/') == top,
        }))
    }

    /// Runs it; a failure is an error with what it said.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Output, PackError> {
        let output = self.output(arguments)?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let silent = || output.status.to_string();
        Err(self.error(if said.is_empty() { silent() } else { said.join(" ") }))
    }

    /// Runs it, however it ends.
    pub(super) fn output(&self, arguments: &[&str]) -> Result<Output, PackError> {
        let (own, its) = (self.directory.path(), self.repository);
        let mut command = Command::new("git");
        // Set by git itself where it runs a hook: they would send it to another repository.
        for name in self.variables {
            command.env_remove(name);
        }
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            command.env(name, own);
        }
        for name in ["GIT_CONFIG_NOSYSTEM", "GIT_ATTR_NOSYSTEM", "GIT_NO_LAZY_FETCH"] {
            command.env(name, "1");
        }
        command
            .current_dir(self.root)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_DIR", own)
            .env("GIT_WORK_TREE", &its.top)
            .env("GIT_INDEX_FILE", its.directory.join("index"))
            .env("GIT_OBJECT_DIRECTORY", its.common.join("objects"))
            .args(arguments);
        self.ended(&mut command)
    }

    pub(super) fn error(&self, message: String) -> PackError {
        PackError::git(self.root, message)
    }

    fn ended(&self, command: &mut Command) -> Result<Output, PackError> {
        let ended = program::run(command, self.cancel);
        Ok(ended.map_err(|error| self.error(format!("git does not start: {error}")))??)
    }

    /// Makes the git directory: its `HEAD`, and links to what is data of the repository.
    fn link(&self) -> io::Result<()> {
        let (own, its) = (self.directory.path(), self.repository);
        fs::write(own.join("HEAD"), its.head()?)?;
        fs::create_dir(own.join("info"))?;
        fs::write(own.join("config"), "")?;
        for name in SHARED {
            let there = its.common.join(name);
            if there.exists() {
                symlink(there, own.join(name))?;
            }
        }
        for entry in fs::read_dir(&its.directory)? {
            let entry = entry?;
            if is_shared_index(&entry) {
                symlink(entry.path(), own.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    /// Copies what is known of the repository's configuration. Files that it includes are not read.
    fn configure(&mut self) -> Result<(), PackError> {
        let config = self.repository.common.join("config");
        if !config.is_file() {
            return Ok(());
        }
        let config = config.to_string_lossy();
        let listed = self.run(&["config", "--file", &config, "--no-includes", "-z", "--list"])?;
        for setting in String::from_utf8_lossy(&listed.stdout).split('\0') {
            // A key without a value is true.
            let (key, value) = setting.split_once('\n').unwrap_or((setting, "true"));
            let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !value.is_empty();
            if KNOWN_KEYS.contains(&key) && plain {
                self.settings.insert(key.to_owned(), value.to_ascii_lowercase());
            }
        }
        let own = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n".to_owned();
        let copied = self.settings.iter().filter_map(|(key, value)| {
            let (section, name) = key.split_once('.')?;
            Some(format!("[{section}]\n\t{name} = {value}\n"))
        });
        let text: String = std::iter::once(own).chain(copied).collect();
        let own = self.directory.path().join("config");
        fs::write(own, text).map_err(|error| self.error(error.to_string()))
    }
}
