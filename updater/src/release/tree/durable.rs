//! Bringing a tree to the disk, in bounded time.
//!
//! `syncfs(2)` is one call for thousands of files, but it waits for the whole file system, others'
//! writes too, and cannot be interrupted: it has a thread of its own, which is left behind when
//! it is late.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::io::retry_on_intr;

use crate::release::tree::TreeError;
use crate::release::tree::walk::{Step, root_failed, walk};
use crate::sys::fs::{self, Kind};

/// How a tree came to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// With its whole file system.
    FileSystem,
    /// File by file, because the file system failed or took too long.
    FileByFile,
}

/// Brings all of `directory` to the disk: by `syncfs` within `timeout`, else file by file within
/// as much time again. The name of `directory` itself is its parent's matter.
pub fn make_durable(directory: &Path, timeout: Duration) -> Result<Durability, TreeError> {
    let root = fs::open_directory(directory).map_err(root_failed("open"))?;
    let whole = root.try_clone().map_err(root_failed("open"))?;
    let synced = within(timeout, move |_| {
        retry_on_intr(|| rustix::fs::syncfs(&whole)).map_err(|e| failed("sync", e.into()))
    });
    match synced {
        Ok(()) => Ok(Durability::FileSystem),
        Err(_) => {
            within(timeout, move |late| sync_files(&root, late)).map(|()| Durability::FileByFile)
        }
    }
}

/// Runs `work` on its own thread. It is told when its caller does not wait for it any more.
fn within(
    timeout: Duration,
    work: impl FnOnce(&AtomicBool) -> Result<(), TreeError> + Send + 'static,
) -> Result<(), TreeError> {
    let late = Arc::new(AtomicBool::new(false));
    let (done, answer) = sync_channel(1);
    let told = Arc::clone(&late);
    thread::Builder::new()
        .name("sync".to_owned())
        .spawn(move || {
            // It is not received if it is late.
            let _ = done.send(work(&told));
        })
        .map_err(root_failed("sync"))?;
    match answer.recv_timeout(timeout) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            late.store(true, Ordering::Relaxed);
            Err(failed("sync", io::ErrorKind::TimedOut.into()))
        }
        Err(RecvTimeoutError::Disconnected) => {
            Err(failed("sync", io::Error::other("the thread ended early")))
        }
    }
}

fn sync_files(root: &OwnedFd, late: &AtomicBool) -> Result<(), TreeError> {
    walk(root.as_fd(), &mut |step, found| {
        if late.load(Ordering::Relaxed) {
            return Err(failed("sync", io::ErrorKind::TimedOut.into()));
        }
        // A link and a special file are in their directory; that is all there is of them.
        let wanted = step == Step::Leave || found.status.kind == Kind::File;
        if !wanted {
            return Ok(());
        }
        let synced = fs::open_file_at(found.parent, found.name).and_then(|file| file.sync_all());
        synced.map_err(found.failed("sync"))
    })?;
    retry_on_intr(|| rustix::fs::fsync(root)).map_err(|error| failed("sync", error.into()))
}

fn failed(what: &'static str, source: io::Error) -> TreeError {
    root_failed(what)(source)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(root.path().join("a/b/file"), "x").unwrap();
        symlink("/nonexistent", root.path().join("link")).unwrap();
        root
    }

    #[test]
    fn lesson_12_a_tree_is_brought_to_the_disk_at_once() {
        let synced = make_durable(tree().path(), Duration::from_mins(1)).unwrap();
        assert_eq!(synced, Durability::FileSystem);
    }

    #[test]
    fn lesson_12_file_by_file_works_where_the_file_system_is_late() {
        let root = tree();
        let handle = fs::open_directory(root.path()).unwrap();
        sync_files(&handle, &AtomicBool::new(false)).unwrap();
        assert!(sync_files(&handle, &AtomicBool::new(true)).is_err());
    }

    #[test]
    fn what_is_late_is_not_waited_for() {
        let (go, gate) = sync_channel::<()>(0);
        let error = within(Duration::ZERO, move |_| {
            let _ = gate.recv();
            Ok(())
        })
        .unwrap_err();
        assert!(matches!(error, TreeError::Io { source, .. }
            if source.kind() == io::ErrorKind::TimedOut));
        drop(go);
    }
}
