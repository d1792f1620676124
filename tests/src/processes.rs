//! The processes of a fleet: all that name its directory, and nothing else.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{LONG, eventually};

/// The processes whose working directory, command line or environment lies in `directory`, which
/// must be one that only they can know.
pub fn processes_of(directory: &Path) -> Vec<Pid> {
    let own = std::process::id().cast_signed();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own && belongs(*pid, directory))
        .map(Pid::from_raw)
        .collect()
}

/// Kills them all, and whatever they start meanwhile.
pub fn end_all(directory: &Path) {
    // A machine on which this does not end says so by the tests that follow.
    let _ = eventually("the processes to end", LONG, || {
        let found = processes_of(directory);
        for pid in &found {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        found.is_empty().then_some(())
    });
}

fn belongs(pid: i32, directory: &Path) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let text = directory.to_string_lossy();
    let mentions = |file: &str| {
        let bytes = fs::read(process.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(&*text)
    };
    fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
        || mentions("cmdline")
        || mentions("environ")
}
