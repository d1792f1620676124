//! What no crash shows: ext4 and XFS happen to bring a new name to the disk with whatever is synced
//! after it. POSIX promises that only to those who sync the directory.

use anyhow::{Result, ensure};
use fleet_tests::faults::{Call, Effect};

/// Looks whether every rename is brought to the disk by its thread before it goes on.
pub(crate) fn names_are_synced(calls: &[&Call]) -> Result<()> {
    for (index, rename) in calls.iter().enumerate().filter(|(_, call)| is_rename(call)) {
        let mut later = calls.iter().skip(index + 1).filter(|call| call.thread == rename.thread);
        let next = later.find(|call| call.act == Effect::Sync || call.act.changes());
        let synced = next.is_some_and(|next| {
            next.name == "fsync" && Some(next.path.as_path()) == rename.path.parent()
        });
        let next = next.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        ensure!(synced, "{rename} is not followed by a sync of its directory, but by {next}");
    }
    Ok(())
}

fn is_rename(call: &Call) -> bool {
    call.name.starts_with("rename")
}
