//! This process, and whether others on this machine are alive.

use std::path::PathBuf;

use store::Claim;

/// What a rollout takes from the environment of its process.
#[derive(Debug, Clone, Default)]
pub struct RolloutEnvironment {
    /// `HOME`, for commands that are told of events.
    pub user_home: Option<PathBuf>,
    /// After which kept event the process dies, as in a power cut: 1 for the first. For tests.
    pub crash_after_event: Option<u32>,
}

/// Counts kept events down to the one after which this process dies, if a test says so.
pub(super) struct CrashPoint(Option<u32>);

/// This process, as the driver of a rollout.
pub(super) fn claim(who: &str) -> Claim {
    let pid = std::process::id();
    Claim { who: who.to_owned(), machine: machine(), pid, started: started(pid).unwrap_or(0) }
}

/// Whether a process is alive, as far as can be told from here: of another machine nothing can.
pub(super) fn lives(claim: &Claim) -> bool {
    claim.machine != machine() || started(claim.pid) == Some(claim.started)
}

impl CrashPoint {
    pub(super) const fn after(events: Option<u32>) -> Self {
        Self(events)
    }

    /// An event was kept: dies here, if it is the one.
    pub(super) fn kept_event(&mut self) {
        let Some(left) = self.0.and_then(|left| left.checked_sub(1)) else { return };
        self.0 = Some(left);
        if left == 0 {
            let own = nix::unistd::getpid();
            let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// The machine in its present boot: pids of another boot are those of other processes.
fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
}

/// When a process was started, in clock ticks since the boot (`proc_pid_stat(5)`, field 22); none
/// for one that is gone, or that only waits to be.
fn started(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(") ")?;
    let fields: Vec<_> = after_name.split(' ').collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_while_it_is_the_same_one() {
        let own = claim("ada");
        assert!(lives(&own));
        assert!(!lives(&Claim { started: own.started + 1, ..own.clone() }), "a pid is used again");
        assert!(!lives(&Claim { pid: u32::MAX >> 1, ..own.clone() }));
        assert!(lives(&Claim { machine: "other".to_owned(), pid: u32::MAX >> 1, ..own }));
    }
}
