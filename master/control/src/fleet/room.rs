//! A disk on which no release fits, told before one is sent.

use protocol::AppHealth;

/// What an operator reads of an app whose disk has room for no archive.
pub(super) fn full_disk(app: &AppHealth) -> Option<&'static str> {
    (app.room == Some(0)).then_some(
        "no release fits on its disk: all that is free there has to stay free (limits.reserve_bytes, reserve_inodes); \
         make room there, or run: updater cache clean",
    )
}
