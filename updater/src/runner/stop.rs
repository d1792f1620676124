//! Ending all processes of an agent: TERM, a grace, KILL, and not done before they are gone.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::RunnerError;
use super::members::Signs;
use super::own_group::OwnGroup;
use crate::sys::control_group;
use crate::sys::proc;
use crate::sys::process::{ProcessHandle, ProcessId, wait_any};

/// Ends them all. Returns when none is left, or says which would not go: what is still there
/// `kill_timeout` after it was killed hangs in the kernel.
pub(super) fn stop(
    signs: &Signs,
    grace: Duration,
    kill_timeout: Duration,
) -> Result<(), RunnerError> {
    let deadline = Instant::now() + grace;
    if grace.is_zero() || !end(signs, Signal::TERM, deadline)? {
        if let Some(OwnGroup::Directories(directories)) = &signs.own_group {
            control_group::end_forks(directories);
        }
        let deadline = Instant::now() + kill_timeout;
        if !end(signs, Signal::KILL, deadline)? {
            return Err(RunnerError::Stuck { left: names(signs)? });
        }
    }
    Ok(())
}

/// Sends a signal once to each member, to those too that appear meanwhile. Whether all were gone
/// before the deadline.
fn end(signs: &Signs, signal: Signal, deadline: Instant) -> Result<bool, RunnerError> {
    let mut told: Vec<ProcessHandle> = Vec::new();
    loop {
        let members = signs.members().map_err(RunnerError::Follow)?;
        if members.is_empty() {
            return Ok(true);
        }
        // A process that was signalled is followed until it is gone.
        told.retain(|process| process.id().is_alive());
        for stat in &members {
            let id = ProcessId::from_stat(stat);
            if told.iter().any(|process| *process.id() == id) {
                continue;
            }
            if let Some(process) = id.open().map_err(RunnerError::Follow)? {
                process.signal(signal).map_err(RunnerError::Follow)?;
                told.push(process);
            }
        }
        let waited: Vec<_> = told.iter().collect();
        if !waited.is_empty() && !wait_any(&waited, Some(deadline)).map_err(RunnerError::Follow)? {
            return Ok(false);
        }
        if waited.is_empty() && deadline <= Instant::now() {
            return Ok(false);
        }
    }
}

fn names(signs: &Signs) -> Result<String, RunnerError> {
    let members = signs.members().map_err(RunnerError::Follow)?;
    let names: Vec<_> =
        members.iter().map(|stat| format!("{} ({})", stat.pid, proc::name(stat.pid))).collect();
    Ok(names.join(", "))
}
