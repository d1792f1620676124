//! This process, and whether others on this machine are alive.

use std::sync::atomic::{AtomicU32, Ordering};

use store::Claim;

/// The environment variable that says after which kept event of a rollout this process dies, as in
/// a power cut: 1 for the first. For tests.
const CRASH_AFTER: &str = "SWARM_CRASH_AFTER_EVENT";

/// This process, as somebody who drives a rollout.
pub(super) fn claim(who: &str) -> Claim {
    let pid = std::process::id();
    Claim { who: who.to_owned(), machine: machine(), pid, started: started(pid).unwrap_or(0) }
}

/// Whether a process is alive, as far as can be told from here: of another machine nothing can.
pub(super) fn lives(claim: &Claim) -> bool {
    claim.machine != machine() || started(claim.pid) == Some(claim.started)
}

/// Dies here, if a test says so. Does nothing otherwise.
pub(super) fn checkpoint() {
    static KEPT: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var(CRASH_AFTER) else { return };
    let kept = KEPT.fetch_add(1, Ordering::SeqCst) + 1;
    if wanted.parse() == Ok(kept) {
        let own = nix::unistd::getpid();
        let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
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
