//! Orders to systemd, each waited for until systemd says what became of it.

use std::time::Duration;

use futures_util::StreamExt as _;
use protocol::Period;
use rustix::process::Signal;
use zbus::OwnedObjectPath;

use super::bus::refused;
use super::interface::Property;
use super::{Systemd, SystemdError};

/// A new job takes the place of one that contradicts it.
const MODE: &str = "replace";

/// What became of a job (systemd's `JobRemoved`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// What was asked is so.
    Done,
    /// It is not; systemd's word for why: `failed`, `timeout`, `dependency`, `canceled` …
    Not(String),
}

impl Systemd {
    /// Starts a unit, and waits until it is started or has failed to.
    pub async fn start(&self, unit: &str, deadline: Duration) -> Result<JobResult, SystemdError> {
        self.job("start", unit, deadline, self.manager.start_unit(unit, MODE)).await
    }

    /// Stops a unit, and waits until it is: none of its processes is left. One that is not there is
    /// stopped.
    pub async fn stop(&self, unit: &str, deadline: Duration) -> Result<JobResult, SystemdError> {
        match self.job("stop", unit, deadline, self.manager.stop_unit(unit, MODE)).await {
            Err(error) if error.is_unknown_unit() => Ok(JobResult::Done),
            stopped => stopped,
        }
    }

    /// Stops a unit. What its own settings do not end within the grace is killed, and has to be gone
    /// after another wait.
    pub async fn end(
        &self,
        unit: &str,
        grace: Duration,
        wait: Duration,
    ) -> Result<(), SystemdError> {
        if !grace.is_zero() {
            match self.stop(unit, grace).await {
                Err(SystemdError::Late { .. }) => {}
                stopped => return stopped.map(drop),
            }
        }
        self.kill(unit).await?;
        self.stop(unit, wait).await.map(drop)
    }

    /// Makes a unit of these properties that lives until it ends, and starts it.
    pub(crate) async fn start_transient(
        &self,
        unit: &str,
        properties: &[Property<'_>],
        deadline: Duration,
    ) -> Result<JobResult, SystemdError> {
        let order = self.manager.start_transient_unit(unit, MODE, properties, &[]);
        self.job("start", unit, deadline, order).await
    }

    /// Kills all processes of a unit.
    pub async fn kill(&self, unit: &str) -> Result<(), SystemdError> {
        let killed = self.manager.kill_unit(unit, "all", Signal::KILL.as_raw()).await;
        match killed.map_err(|source| refused("kill", unit, source)) {
            Err(error) if !error.is_unknown_unit() => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives an order (which is sent only here), and waits until its job is gone.
    async fn job(
        &self,
        act: &'static str,
        unit: &str,
        deadline: Duration,
        order: impl Future<Output = zbus::Result<OwnedObjectPath>>,
    ) -> Result<JobResult, SystemdError> {
        let done = async {
            // Before the order: its job may be done before the answer to it has been read.
            let mut removed = self.manager.receive_job_removed().await?;
            let job = order.await?;
            while let Some(signal) = removed.next().await {
                let told = signal.args()?;
                if told.job == job {
                    return Ok(JobResult::from(told.result.as_str()));
                }
            }
            let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            Err(zbus::Error::InputOutput(gone.into()))
        };
        let done = tokio::time::timeout(deadline, done).await.map_err(|_| SystemdError::Late {
            act,
            unit: unit.to_owned(),
            deadline: Period(deadline),
        })?;
        done.map_err(|source| refused(act, unit, source))
    }
}

impl From<&str> for JobResult {
    fn from(word: &str) -> Self {
        match word {
            "done" | "skipped" => Self::Done,
            other => Self::Not(other.to_owned()),
        }
    }
}
