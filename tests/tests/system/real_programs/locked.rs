//! Programs whose lock files say what they are built from, by the tools of those files.

use std::process::Command;

use anyhow::Result;
use fleet_tests::{Example, Output, Story, Tree, build_environment_of_user};

/// A program whose lock file has one version, and whose release has a range, which newer ones fit.
struct Locked {
    story: Story,
    /// The file that has the range, what that is, and the command that makes the lock file.
    file: &'static str,
    range: &'static str,
    lock: &'static [&'static str],
    /// The file that has the answer.
    answers_from: &'static str,
}

impl Locked {
    fn release(&self, number: u32, version: &str) -> Result<Tree> {
        let release = format!("release {number}");
        let tree = self.story.changed(self.answers_from, "release 1", &release)?;
        tree.replace(self.file, self.range, version)?;
        self.locks(&tree)?;
        tree.replace(self.file, version, self.range)?;
        // What is locked fits the range, and stays.
        self.locks(&tree)?;
        Ok(tree)
    }

    fn locks(&self, tree: &Tree) -> Result<()> {
        let mut tool = Command::new(self.lock[0]);
        Output::of(tool.args(&self.lock[1..]).current_dir(tree.path()))?.good().map(drop)
    }

    /// Each of two releases runs with what its own lock file says: the version, and the answer.
    fn is_built_as_locked(&self, older: (&str, &str), newer: (&str, &str)) -> Result<()> {
        self.story.updates(&self.release(1, older.0)?)?;
        self.story.says("/", &format!("release 1, {}", older.1))?;
        self.story.updates(&self.release(2, newer.0)?)?;
        self.story.says("/", &format!("release 2, {}", newer.1))?;
        self.story.goes_back()?;
        self.story.says("/", &format!("release 1, {}", older.1))?;
        self.story.stops()
    }
}

/// A host that builds this example as this user.
fn building(example: &str, user: &str) -> Result<Story> {
    let environment = build_environment_of_user(&[]);
    Story::begin(Example::named(example), user, |setup| setup.app("build_env", &environment))
}

#[test]
fn uvicorn_from_uv_lock() -> Result<()> {
    let locked = Locked {
        story: building("uvicorn", "_apt")?,
        file: "pyproject.toml",
        range: "fastapi>=0.110",
        lock: &["uv", "lock", "--quiet"],
        answers_from: "app.py",
    };
    let (older, newer) = ("fastapi==0.115.6", "fastapi==0.115.14");
    locked.is_built_as_locked((older, "FastAPI 0.115.6"), (newer, "FastAPI 0.115.14"))
}

#[test]
fn node_from_pnpm_lock() -> Result<()> {
    let locked = Locked {
        story: building("pnpm", "www-data")?,
        file: "package.json",
        range: "\"^2.0.0\"",
        lock: &["pnpm", "install", "--lockfile-only", "--silent"],
        answers_from: "server.js",
    };
    locked.is_built_as_locked(("\"2.1.2\"", "ms 2.1.2"), ("\"2.1.3\"", "ms 2.1.3"))
}
