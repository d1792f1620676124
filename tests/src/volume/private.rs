//! Mounts that nobody else sees, and that go with the last process that does.

use anyhow::{Context as _, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// From now on, what this thread and what it starts mounts is theirs alone.
///
/// # Errors
/// When this is not root, or the kernel does not let it.
pub fn alone_with_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("leave the machine's mounts (it takes root)")?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let none: Option<&str> = None;
    mount(none, "/", none, flags, none).context("keep mounts from the rest of the machine")
}
