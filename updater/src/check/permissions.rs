//! Who else may write a file that decides what the updater runs.

use std::fs::metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whether its group or all users may. What cannot be looked at is told where it is read.
pub(super) fn others_may_write(path: &Path) -> bool {
    metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o022 != 0)
}
