//! Unpacking: an archive is hashed, inflated, checked and written in one pass, as it comes.
//!
//! Three threads with bounded channels between them: the caller's takes and hashes, one inflates,
//! one checks and writes. Memory does not grow with the archive. Nothing that was written is to be
//! trusted before [`unpack`] has returned and the digest has been compared.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;

use bytes::Bytes;
use protocol::{Digest, SignedManifest};
use sha2::{Digest as _, Sha256};

use crate::blocks::Blocks;
use crate::error::{ReadEnd, UnpackError};
use crate::inflate::inflate;
use crate::members::{Members, Notes, Origin};
use crate::pipe::{Archived, Piece, pipes};
use crate::rule::Rule;
use crate::staging::Staging;

/// What is taken of one archive, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Bytes as they are sent.
    pub archive_bytes: u64,
    /// Bytes that they inflate to, tar's headers and padding and the copies of hardlinks included.
    pub unpacked_bytes: u64,
    /// Entries, extended headers among them; and what they make, with the directories that have no
    /// entry of their own.
    pub entries: u64,
    /// Parts of a path.
    pub path_parts: usize,
}

impl UnpackLimits {
    /// What a manifest says, where that is within these.
    #[must_use]
    pub const fn signed(self, manifest: &SignedManifest) -> Self {
        Self {
            archive_bytes: manifest.archive_bytes,
            unpacked_bytes: manifest.unpacked_bytes,
            entries: manifest.entries,
            ..self
        }
    }
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub archive_bytes: u64,
    pub entries: u64,
}

/// A whole archive, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The SHA-256 of all of its bytes.
    pub digest: Digest,
    /// How many they were.
    pub archive_bytes: u64,
    /// What they inflated to, with the copies of hardlinks.
    pub unpacked_bytes: u64,
    pub entries: u64,
    /// What [`UnpackLimits::entries`] bounds: headers read, or things made, whichever are more.
    pub counted: u64,
    /// How many of its files may be executed.
    pub executables: u64,
    /// What is odd about it.
    pub notes: Notes,
    /// What it was made of, as far as it says so.
    pub origin: Origin,
}

/// How many archive bytes there are between two calls of `progress`.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Takes chunks from `source` until its end, and unpacks them into `directory`, which exists and
/// is empty. No entry may have one of the names in `reserved`, which are relative to it.
///
/// `source` is asked on the calling thread, and not asked again after an error. An error of its
/// own ends everything as [`UnpackError::Interrupted`]. What was written before an error stays for
/// the caller to remove; every thread has ended.
pub fn unpack(
    source: impl Iterator<Item = io::Result<Bytes>>,
    directory: &Path,
    bounds: &UnpackLimits,
    reserved: &[String],
    progress: &dyn Fn(Progress),
) -> Result<Received, UnpackError> {
    let staging = Staging::open(directory, reserved, bounds.entries, bounds.path_parts)?;
    let entries = AtomicU64::new(0);
    let (chunks, chunk_source, buffers, inflated) = pipes();
    let members = Members::new(Blocks::new(inflated, bounds.unpacked_bytes), bounds.entries);
    let thread_failed = |error| UnpackError::io("start a thread", error);
    let (taken, inflated, written) = thread::scope(|scope| {
        let inflating = thread::Builder::new()
            .name("inflate".to_owned())
            .spawn_scoped(scope, move || inflate(chunk_source, &buffers))
            .map_err(thread_failed)?;
        let writing = thread::Builder::new()
            .name("write".to_owned())
            .spawn_scoped(scope, || write(members, staging, &entries))
            .map_err(thread_failed);
        let writing = match writing {
            Ok(writing) => writing,
            Err(error) => {
                drop(chunks);
                return Err(error);
            }
        };
        let report = |archive_bytes| {
            progress(Progress { archive_bytes, entries: entries.load(Ordering::Relaxed) });
        };
        let taken = take(source, chunks, bounds.archive_bytes, report);
        Ok((taken, join(inflating), join(writing)))
    })?;
    // What is further down the stream saw earlier bytes: its verdict comes first.
    let Written { unpacked_bytes, counted, executables, notes, origin } =
        first_failure(written, inflated, &taken)?;
    let (digest, archive_bytes) = taken.map_err(own_failure)?;
    let entries = entries.into_inner();
    Ok(Received {
        digest,
        archive_bytes,
        unpacked_bytes,
        entries,
        counted,
        executables,
        notes,
        origin,
    })
}

/// Hashes and counts what comes, and passes it on.
fn take(
    source: impl Iterator<Item = io::Result<Bytes>>,
    chunks: SyncSender<Archived>,
    limit: u64,
    report: impl Fn(u64),
) -> Result<(Digest, u64), ReadEnd> {
    let mut hasher = Sha256::new();
    let (mut taken, mut reported) = (0, 0);
    for chunk in source {
        let chunk = chunk.map_err(|source| UnpackError::Interrupted { source })?;
        taken += chunk.len() as u64;
        if taken > limit {
            return Err(UnpackError::TooLarge { limit }.into());
        }
        // First on its way, then hashed: the next thread need not wait.
        chunks.send(Piece::Data(chunk.clone())).map_err(|_| ReadEnd::Neighbour)?;
        hasher.update(&chunk);
        if taken - reported >= PROGRESS_BYTES {
            reported = taken;
            report(taken);
        }
    }
    chunks.send(Piece::End).map_err(|_| ReadEnd::Neighbour)?;
    drop(chunks);
    report(taken);
    Ok((Digest::from_bytes(hasher.finalize().into()), taken))
}

/// What one thread found out about all members.
#[derive(Default)]
struct Written {
    unpacked_bytes: u64,
    /// What counts as entries.
    counted: u64,
    executables: u64,
    notes: Notes,
    origin: Origin,
}

/// Writes every member, and reads the stream to its end.
fn write(
    mut members: Members,
    mut staging: Staging,
    entries: &AtomicU64,
) -> Result<Written, ReadEnd> {
    let mut executables = 0;
    while let Some(member) = members.next()? {
        executables += u64::from(member.content.is_executable());
        let written = staging.write(&member, &mut members.blocks);
        if written.map_err(|stop| stop.at(&member.name))? {
            entries.fetch_add(1, Ordering::Relaxed);
        }
    }
    if entries.load(Ordering::Relaxed) == 0 {
        return Err(Rule::EmptyArchive.into());
    }
    Ok(Written {
        unpacked_bytes: members.blocks.used(),
        counted: members.headers().max(staging.made()),
        executables,
        notes: members.notes(),
        origin: members.origin(),
    })
}

/// What a thread of the scope came to; its panic is this thread's.
pub(crate) fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn first_failure(
    written: Result<Written, ReadEnd>,
    inflated: Result<(), ReadEnd>,
    taken: &Result<(Digest, u64), ReadEnd>,
) -> Result<Written, UnpackError> {
    match (written, inflated) {
        (Err(ReadEnd::Failed(error)), _) | (_, Err(ReadEnd::Failed(error))) => Err(error),
        // Both stopped because of their neighbours, so the first of the row has the reason.
        (Err(ReadEnd::Neighbour), _) | (_, Err(ReadEnd::Neighbour)) if taken.is_err() => {
            Ok(Written::default())
        }
        (Err(ReadEnd::Neighbour), _) | (_, Err(ReadEnd::Neighbour)) => {
            Err(own_failure(ReadEnd::Neighbour))
        }
        (Ok(counted), Ok(())) => Ok(counted),
    }
}

fn own_failure(stop: ReadEnd) -> UnpackError {
    match stop {
        ReadEnd::Failed(error) => error,
        ReadEnd::Neighbour => {
            UnpackError::io("unpack the archive", io::Error::other("a thread ended early"))
        }
    }
}
