//! What confines a build, where it is a unit: a file system that is read-only but for what it builds.

use std::path::Path;

use crate::systemd::Confinement;

/// A build that may write into these directories, and use so many bytes of memory.
pub(super) fn confinement(writable: &[&Path], memory: Option<u64>) -> Confinement {
    let writable: Vec<_> = writable.iter().map(|path| path.display().to_string()).collect();
    let more = vec![
        ("ProtectSystem", "strict".into()),
        ("ProtectHome", "read-only".into()),
        ("PrivateTmp", true.into()),
        ("ReadWritePaths", writable.into()),
    ];
    Confinement { memory, more }
}
