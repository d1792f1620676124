//! Ending all processes of an agent: it is asked to, has a grace, is killed, and it is not done before
//! all of them are gone.

use std::fmt;
use std::time::{Duration, Instant};

use protocol::{KillMode, Period, StopSignal};
use rustix::process::Signal;

use super::members::{Signs, names};
use super::own_group::OwnGroup;
use super::{Behaviour, RunnerError};
use crate::sys::control_group;
use crate::sys::process::{ProcessHandle, ProcessId, wait_any};

/// Between two looks at processes that fork faster than one can look.
const NEXT_LOOK: Duration = Duration::from_millis(20);
/// Such processes, by a name.
const UNSEEN: &str = "what forks on and on";

/// What did not end when it was asked to, and was killed at the end of its grace. It reads as a
/// sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// The processes, as `123 (python3), 124 (sh)`; or the unit.
    pub(super) what: String,
    /// By which signal; none where its unit says that.
    pub(super) asked: Option<StopSignal>,
    pub(super) grace: Duration,
}

impl fmt::Display for Killed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, asked, grace } = self;
        let on = asked.map(|asked| format!(" on {asked}")).unwrap_or_default();
        let grace = Period(*grace);
        write!(formatter, "{what} did not end{on} within {grace} and had to be killed")
    }
}

/// Ends them all, and says which had to be killed. Returns when none is left, or says which would not go:
/// what is still there `kill_timeout` after it was killed hangs in the kernel.
pub(super) fn stop(
    signs: &Signs,
    behaviour: &Behaviour,
    grace: Duration,
    kill_timeout: Duration,
) -> Result<Option<Killed>, RunnerError> {
    let mut killed = None;
    if !grace.is_zero() {
        if ask(signs, behaviour, Instant::now() + grace)? {
            return Ok(None);
        }
        let asked = Some(behaviour.stop_signal);
        killed = Some(Killed { what: named(signs)?, asked, grace });
    }
    if let Some(OwnGroup::Directories(directories)) = &signs.own_group {
        control_group::end_forks(directories);
    }
    if !end(signs, Signal::KILL, Instant::now() + kill_timeout)? {
        return Err(RunnerError::Stuck { left: named(signs)? });
    }
    Ok(killed)
}

/// Kills all that is left in these control groups, of units that were stopped.
pub(super) fn stop_groups(groups: Vec<String>, kill_timeout: Duration) -> Result<(), RunnerError> {
    if groups.is_empty() {
        return Ok(());
    }
    let signs = Signs::of_groups(groups);
    let left = names(&signs.members().map_err(RunnerError::Follow)?);
    if !left.is_empty() {
        tracing::warn!("what a stopped unit has left is killed: {left}");
    }
    stop(&signs, &Behaviour::default(), Duration::ZERO, kill_timeout).map(drop)
}

/// Asks them to end. Whether all were gone before the deadline.
fn ask(signs: &Signs, behaviour: &Behaviour, deadline: Instant) -> Result<bool, RunnerError> {
    if behaviour.kill_mode == KillMode::Group {
        return end(signs, behaviour.signal(), deadline);
    }
    // The first process leads the end of those that it has started.
    let leader = signs.leader.as_ref().map(ProcessId::open).transpose();
    if let Some(leader) = leader.map_err(RunnerError::Follow)?.flatten() {
        leader.signal(behaviour.signal()).map_err(RunnerError::Follow)?;
        if !leader.wait(Some(deadline)).map_err(RunnerError::Follow)? {
            return Ok(false);
        }
    }
    // What it leaves behind has manners of its own.
    end(signs, Signal::TERM, deadline)
}

/// Sends a signal once to each member, to those too that appear meanwhile. Whether all were gone
/// before the deadline.
fn end(signs: &Signs, signal: Signal, deadline: Instant) -> Result<bool, RunnerError> {
    let mut told: Vec<ProcessHandle> = Vec::new();
    loop {
        if signal == Signal::KILL {
            signs.kill_at_once().map_err(RunnerError::Follow)?;
        }
        let members = signs.members().map_err(RunnerError::Follow)?;
        if members.is_empty() {
            let next_look = deadline.min(Instant::now() + NEXT_LOOK);
            if signs.all_gone(next_look).map_err(RunnerError::Follow)? {
                return Ok(true);
            }
            if deadline <= Instant::now() {
                return Ok(false);
            }
            continue;
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

fn named(signs: &Signs) -> Result<String, RunnerError> {
    let members = signs.members().map_err(RunnerError::Follow)?;
    Ok(if members.is_empty() { UNSEEN.to_owned() } else { names(&members) })
}
