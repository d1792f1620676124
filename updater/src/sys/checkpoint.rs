//! Named points at which a test may kill the updater, to see that the next one finishes the work.

/// Every checkpoint, in the order of an update. One stands at each durable change of state.
pub const CHECKPOINTS: &[&str] = &[
    "journal_written",
    "received",
    "moved_to_store",
    "built",
    "made_durable",
    "counter_kept",
    "record_written",
    "new_link_made",
    "active_flipped",
    "current_made",
    "agent_stopped",
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

/// The environment variable that names the checkpoint to die at: `NAME`, or `NAME:N` for the N-th
/// time that it is reached.
pub const CRASH_AT: &str = "UPDATER_CRASH_AT";

/// Dies here, as in a power cut, if [`CRASH_AT`] says so. Does nothing otherwise.
pub fn checkpoint(name: &'static str) {
    debug_assert!(CHECKPOINTS.contains(&name), "{name} is not listed");
    if let Ok(wanted) = std::env::var(CRASH_AT) {
        crash_if_wanted(name, &wanted);
    }
}

fn crash_if_wanted(name: &str, wanted: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static REACHED: AtomicU32 = AtomicU32::new(0);
    let (wanted_name, count) = wanted.split_once(':').unwrap_or((wanted, "1"));
    if wanted_name != name {
        return;
    }
    let reached = REACHED.fetch_add(1, Ordering::SeqCst) + 1;
    if count.parse() == Ok(reached) {
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}
