//! What most tests expect of a host.

use std::fs;

use anyhow::{Result, ensure};
use protocol::{Code, Digest, Phase, Problem, Status};

use crate::{Host, Release, Tree};

impl Host {
    /// Installs a healthy release that says this.
    ///
    /// # Errors
    /// When it is not the one that runs afterwards.
    pub fn installs(&self, message: &str) -> Result<Digest> {
        let release = Tree::healthy(message)?;
        let result = self.push(&release)?.result()?;
        ensure!(result.status == Status::Updated, "{message} was not installed: {result:?}");
        Ok(release.digest)
    }

    /// Pushes a release that has to be undone, and gives back why it was.
    ///
    /// # Errors
    /// When it is not undone.
    pub fn undoes(&self, bad: &Release) -> Result<Problem> {
        let problem = self.push(bad)?.problem()?;
        let undone = problem.code == Code::RolledBack && problem.rolled_back == Some(true);
        ensure!(undone && problem.code.status() == 409, "it was not undone: {problem:?}");
        Ok(problem)
    }

    /// Looks whether the host keeps and runs `active`, would go back to `prev`, and is at rest.
    ///
    /// # Errors
    /// When anything is otherwise.
    pub fn keeps(&self, active: &Digest, prev: Option<&Digest>) -> Result<()> {
        let running = self.running();
        ensure!(running.as_ref() == Some(active), "{running:?} runs, not {active}");
        let releases = self.releases()?;
        let slots = (releases.active.as_ref(), releases.prev.as_ref());
        ensure!(slots == (Some(active), prev), "the slots are {slots:?}");
        let (release, current) = (self.release(active), self.current());
        ensure!(current == fs::canonicalize(release).ok(), "current leads to {current:?}");
        ensure!(self.incoming().is_empty(), "there is litter: {:?}", self.incoming());
        let app = self.app()?;
        ensure!(app.state == Phase::Idle && app.healthy, "it is not at rest: {app:?}");
        Ok(())
    }
}
