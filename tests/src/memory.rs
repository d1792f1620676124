//! How much memory a process had at most, as the kernel counts it.

use std::process::Child;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::unistd::Pid;

/// `VmHWM` of a process, or `VmRSS`, in MiB.
pub fn memory_of(process: Pid, field: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 =
        line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Makes the `VmHWM` of a process begin anew. Where the kernel does not let us, it stays what it was:
/// a bound that holds for that holds for what it has now.
pub fn forget_peak(process: Pid) {
    let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// Waits for a process and says what it had at most. The kernel forgets that at its end, so it is
/// looked at until then; it only grows.
///
/// # Errors
/// When it cannot be waited for.
pub fn peak_until_end(child: &mut Child) -> Result<f64> {
    let process = Pid::from_raw(child.id().cast_signed());
    let mut peak = 0.0;
    while child.try_wait()?.is_none() {
        peak = memory_of(process, "VmHWM").unwrap_or(peak);
        thread::park_timeout(Duration::from_millis(2));
    }
    Ok(peak)
}
