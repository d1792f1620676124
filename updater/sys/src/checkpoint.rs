//! Named points at which a test may kill the updater, to see that the next one finishes the work.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every checkpoint, in the order of an update. One stands at each durable change of state.
pub const CHECKPOINTS: &[&str] = &[
    "journal_written",
    "received",
    "moved_to_store",
    "built",
    "made_durable",
    "counter_kept",
    "record_written",
    "migration_begun",
    "migrated",
    "agent_started_beside",
    "agent_ready",
    "new_link_made",
    "active_flipped",
    "current_made",
    "agent_drained",
    "agent_succeeded",
    "agent_stopped",
    "units_placed",
    "agent_started",
    "proven",
    "watched",
    "evidence_kept",
    "active_reversed",
    "active_removed",
    "outcome_written",
    "facts_written",
    "prev_set",
    "history_written",
    "record_removed",
    "journal_removed",
    "self_checked",
    "self_started",
    "self_flipped",
];

/// The environment variable that says where to die ([`crash_at`]).
pub const CRASH_AT: &str = "UPDATER_CRASH_AT";

/// What the log says before the name of each checkpoint, where [`crash_at`] was called.
pub const REACHED: &str = "reached the checkpoint ";

/// What the log says last, before the name of the checkpoint.
pub const KILLED: &str = "killed at the checkpoint ";

/// Where this process is to die.
static WANTED: OnceLock<String> = OnceLock::new();

/// From here on this process dies at a checkpoint: `NAME`, or `NAME:N` for the N-th time that it is
/// reached, or `N` for the N-th checkpoint of all. With `0` they are logged and nothing more. Once for
/// each process.
pub fn crash_at(wanted: &str) {
    let _ = WANTED.set(wanted.to_owned());
}

/// Dies here, as in a power cut, if [`crash_at`] has said so. Does nothing otherwise.
pub fn checkpoint(name: &'static str) {
    debug_assert!(CHECKPOINTS.contains(&name), "{name} is not listed");
    if let Some(wanted) = WANTED.get() {
        tracing::info!("{REACHED}{name}");
        crash_if_wanted(name, wanted);
    }
}

fn crash_if_wanted(name: &str, wanted: &str) {
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let any = wanted.parse().ok();
    let (wanted_name, count) = wanted.split_once(':').unwrap_or((wanted, "1"));
    if any.is_none() && wanted_name != name {
        return;
    }
    let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if any.or_else(|| count.parse().ok()) == Some(passed) {
        tracing::error!("{KILLED}{name}");
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}
