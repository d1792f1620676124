//! Orders to systemd, each waited for until systemd says what became of it.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use protocol::Period;
use rustix::process::Signal;
use zbus::OwnedObjectPath;

use super::interface::{JobRemoved, Property};
use super::{Systemd, SystemdError};

/// A new job takes the place of one that contradicts it.
const MODE: &str = "replace";
/// How often a unit is ordered to stop that something starts again meanwhile.
const STOPS: usize = 5;

/// What became of a job (systemd's `JobRemoved`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// What was asked is so.
    Done,
    /// It is not; systemd's word for why: `failed`, `timeout`, `dependency`, `canceled` …
    Not(String),
}

impl Systemd {
    /// Reads all unit files again.
    pub async fn reload(&self) -> Result<(), SystemdError> {
        let reloaded = self.answer(self.manager.reload()).await;
        reloaded.map_err(Self::refused("reload", "systemd's unit files"))
    }

    /// Forgets that a unit failed, and how often: a start limit must not meet the next release. One
    /// that is not loaded has not failed.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        let reset = self.answer(self.manager.reset_failed_unit(unit)).await;
        unless_unknown(reset.map_err(Self::refused("reset", unit)))
    }

    /// Starts a unit, and waits until it is started or has failed to.
    pub async fn start(&self, unit: &str, deadline: Duration) -> Result<JobResult, SystemdError> {
        self.job("start", unit, deadline, self.manager.start_unit(unit, MODE)).await
    }

    /// Tells a unit to read its configuration again, and waits until its `ExecReload=` has ended.
    pub async fn reload_unit(
        &self,
        unit: &str,
        deadline: Duration,
    ) -> Result<JobResult, SystemdError> {
        self.job("reload", unit, deadline, self.manager.reload_unit(unit, MODE)).await
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
    /// after another wait. Says whether it was killed at the end of a grace, by systemd or for this.
    pub async fn end(
        &self,
        unit: &str,
        grace: Duration,
        wait: Duration,
    ) -> Result<bool, SystemdError> {
        if !grace.is_zero() {
            match self.stop_against_starts(unit, grace).await {
                Err(SystemdError::Late { .. }) => {}
                Err(error) => return Err(error),
                // As systemd calls it when the unit's own time was over.
                Ok(()) => return Ok(self.state(unit).await?.result == "timeout"),
            }
        }
        self.kill(unit).await?;
        self.stop_against_starts(unit, wait).await?;
        Ok(!grace.is_zero())
    }

    /// Stops a unit. An order to start it, which anything on the host may give, takes the place of one to stop
    /// it that still waits for its dependents: it is then ordered again.
    async fn stop_against_starts(
        &self,
        unit: &str,
        deadline: Duration,
    ) -> Result<(), SystemdError> {
        let until = Instant::now() + deadline;
        for _ in 0..STOPS {
            let left = until.saturating_duration_since(Instant::now());
            let stopped = self.stop(unit, left).await.map_err(|error| match error {
                SystemdError::Late { act, unit, .. } => {
                    SystemdError::Late { act, unit, deadline: Period(deadline) }
                }
                other => other,
            })?;
            if stopped == JobResult::Done || self.state(unit).await?.is_down() {
                return Ok(());
            }
        }
        Err(SystemdError::StartedAgain { unit: unit.to_owned() })
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
        let killed = self.manager.kill_unit(unit, "all", Signal::KILL.as_raw());
        unless_unknown(self.answer(killed).await.map_err(Self::refused("kill", unit)))
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
            let mut removed = self.answer(self.manager.receive_job_removed()).await?;
            let mut order = pin!(self.answer(order));
            // Taken while the answer is waited for: the connection brings no answer behind signals that
            // are not taken, and other jobs may end meanwhile, as many as there are at a boot.
            let mut ended_before = Vec::new();
            let job = loop {
                tokio::select! {
                    job = &mut order => break job?,
                    Some(signal) = removed.next() => ended_before.push(ending(&signal)?),
                }
            };
            if let Some((_, result)) = ended_before.into_iter().find(|(ended, _)| *ended == job) {
                return Ok(result);
            }
            while let Some(signal) = removed.next().await {
                let (ended, result) = ending(&signal)?;
                if ended == job {
                    return Ok(result);
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
        done.map_err(Self::refused(act, unit))
    }
}

/// Which job has ended, and how.
fn ending(signal: &JobRemoved) -> zbus::Result<(OwnedObjectPath, JobResult)> {
    let removed = signal.args()?;
    Ok((removed.job, JobResult::from(removed.result.as_str())))
}

/// A unit that systemd does not know has nothing to be killed or forgotten.
fn unless_unknown(done: Result<(), SystemdError>) -> Result<(), SystemdError> {
    done.or_else(|error| if error.is_unknown_unit() { Ok(()) } else { Err(error) })
}

impl From<&str> for JobResult {
    fn from(word: &str) -> Self {
        match word {
            "done" | "skipped" => Self::Done,
            other => Self::Not(other.to_owned()),
        }
    }
}
