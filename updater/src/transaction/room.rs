//! Room on the disk of the state directory: what the updater itself keeps there gives way, before an act
//! fails for lack of it.

use common::chain;
use protocol::{Code, Kind, Problem, Space};

use super::files::{RESERVE_BYTES, give_up_reserve, keep_reserve};
use super::{App, Failure};
use crate::sys::free_space;

/// So much of a log makes the reserve unnecessary.
const ENOUGH: u64 = 64 << 10;

impl App {
    /// Does what writes to the state directory. On a full disk what the updater keeps there gives way, the
    /// agent's log first, and it is done again.
    pub(super) fn with_room<T>(&self, act: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut done = act();
        for _ in 0..2 {
            let full = done.as_ref().is_err_and(|failure| failure.problem.code == Code::NoSpace);
            if !full || !self.make_room() {
                break;
            }
            done = act();
        }
        done
    }

    /// Makes room. False if there was nothing that could give way.
    pub(crate) fn make_room(&self) -> bool {
        let from_log = self.agent.runner().give_way();
        let enough = from_log >= ENOUGH;
        let given = enough || give_up_reserve(&self.settings.files.reserve()) || from_log > 0;
        if given {
            let app = &self.settings.name;
            tracing::warn!(%app, "{app}: the disk of the state directory is full; the updater's own files gave way");
        }
        given
    }

    /// Holds the reserve again, where there is room for it.
    pub(crate) fn keep_reserve(&self) {
        if let Err(error) = keep_reserve(&self.settings.files.reserve()) {
            let app = &self.settings.name;
            tracing::debug!(%app, "{app}: no reserve on the disk of the state directory: {}", chain(&error));
        }
    }

    /// Refuses an order on a disk that is too full to write down how it ends. A rollback makes do with
    /// the reserve.
    pub(super) fn check_state_space(&self, kind: Kind) -> Result<(), Failure> {
        if kind == Kind::Rollback {
            return Ok(());
        }
        let files = &self.settings.files;
        let kept = keep_reserve(&files.reserve());
        let free = free_space(files.directory())?;
        let needed = Space { bytes: RESERVE_BYTES, inodes: 1 };
        if kept.is_ok() && free.bytes >= needed.bytes && free.inodes >= needed.inodes {
            return Ok(());
        }
        if let Err(error) = kept
            && error.kind() != std::io::ErrorKind::StorageFull
            && error.kind() != std::io::ErrorKind::QuotaExceeded
        {
            return Err(error.into());
        }
        let detail = format!(
            "the state directory {} has {} bytes and {} inodes free; {} bytes are needed to write down \
             how an order ends",
            files.directory().display(),
            free.bytes,
            free.inodes,
            needed.bytes
        );
        let problem = Problem::new(Code::NoSpace, detail);
        Err(Problem { needed: Some(needed), free: Some(free), ..problem }.into())
    }
}
