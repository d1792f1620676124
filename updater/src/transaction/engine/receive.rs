//! Receiving: an archive goes from the network to the staging directory in one pass, and is compared
//! with what was said of it. Nothing in the staging directory is to be trusted before.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use archive::{Progress, UnpackError, UnpackLimits, unpack};
use common::chain;
use protocol::{Code, Digest, EventKind, Kind, Problem, RELEASE_RECORD, SignatureError};

use crate::config::LimitsConfig;
use crate::sys::checkpoint;
use crate::sys::fs::free_space;
use crate::transaction::admission::refuse_quarantined;
use crate::transaction::signature_policy::{beyond_manifest, check_received};
use crate::transaction::{Failure, ReleaseStates};

use super::Engine;

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Engine {
    /// Takes the archive in one pass into the staging directory.
    pub(super) fn take_archive(&mut self) -> Result<(), Failure> {
        let Some(mut archive) = self.archive.take() else {
            return Err(Failure::host_problem(Problem::new(Code::BadRequest, "no archive came")));
        };
        let known = archive.digest(self.accepted.as_deref());
        let staging = self.app.layout.staging(self.transaction());
        fs::create_dir(&staging).map_err(|error| Failure::host(&error))?;
        // What a manifest says is within the limits: that was seen before.
        let signed = self.accepted.as_ref().map(|accepted| UnpackLimits::from(&accepted.manifest));
        let bounds = signed.unwrap_or_else(|| limits(&self.app.limits));
        let reserved = self.reserved();
        let told = Cell::new(Instant::now());
        let total = archive.length;
        let progress = |progress: Progress| {
            if told.get().elapsed() >= PROGRESS_EVERY {
                told.set(Instant::now());
                let (bytes, entries) = (progress.archive_bytes, progress.entries);
                self.tell(EventKind::Progress { bytes, total, entries });
            }
        };
        let stop = self.stop();
        let chunks = archive.chunks(&stop, &self.app.handle);
        let received = unpack(chunks, &staging, &bounds, &reserved, &progress);
        checkpoint("received");
        let received = received
            .map_err(|error| stop.heard().unwrap_or_else(|| self.unpack_failure(&error)))?;
        self.tell(EventKind::Progress {
            bytes: received.archive_bytes,
            total: Some(received.archive_bytes),
            entries: received.entries,
        });
        let announced = known.or(archive.declared.digest);
        check_digest(announced, received.digest)?;
        if self.journal.kind == Kind::SelfUpdate && !archive.declared.confirm_self {
            let detail = "say confirm_self=true: this replaces the updater itself";
            return Err(Failure::host_problem(Problem::new(Code::BadRequest, detail)));
        }
        self.take_digest(received.digest)?;
        self.label = archive.declared.label.take();
        if let Some(accepted) = &self.accepted {
            check_received(accepted, &received)
                .map_err(|error| Failure::host_problem(error.into()))?;
        }
        self.received = Some(received);
        Ok(())
    }

    /// In a form, the digest may be known only now.
    fn take_digest(&mut self, received: Digest) -> Result<(), Failure> {
        let facts =
            ReleaseStates::read(&self.app.files.facts()).map_err(|error| Failure::host(&error))?;
        refuse_quarantined(&received, &facts, self.retry_quarantined)
            .map_err(Failure::host_problem)?;
        self.log_digest(received);
        self.journal.to = Some(received);
        Ok(())
    }

    /// Names at the top of a release that are the updater's own.
    pub(super) fn reserved(&self) -> Vec<String> {
        let links = self.app.config.links.iter().map(|link| link.trim_end_matches('/').to_owned());
        links.chain([RELEASE_RECORD.to_owned()]).collect()
    }

    fn unpack_failure(&self, error: &UnpackError) -> Failure {
        let code = match error {
            UnpackError::TooLarge { .. } => Code::ArchiveTooLarge,
            UnpackError::Rejected { .. } => Code::ArchiveRejected,
            UnpackError::Interrupted { .. } => Code::Interrupted,
            UnpackError::Io { .. } if error.is_no_space() => Code::NoSpace,
            UnpackError::Io { .. } => Code::Internal,
        };
        let mut problem = Problem::new(code, chain(error));
        let beyond = beyond_manifest(error).filter(|_| self.accepted.is_some());
        if let Some(rule) = beyond {
            let detail = "the archive is more than its signed manifest says".to_owned();
            problem = SignatureError { rule, detail }.into();
        } else if let UnpackError::Rejected { rule, entry, .. } = error {
            problem.rule = Some(rule.code().to_owned());
            problem.entry.clone_from(entry);
        }
        if error.is_no_space() {
            problem.free = free_space(self.app.layout.install()).ok();
        }
        Failure::host_problem(problem)
    }
}

fn check_digest(announced: Option<Digest>, received: Digest) -> Result<(), Failure> {
    let Some(announced) = announced else {
        let detail = "the archive came without its digest (Content-Digest, or the part sha256)";
        return Err(Failure::host_problem(Problem::new(Code::DigestMissing, detail)));
    };
    if announced != received {
        let detail = format!("{announced} was announced and {received} was received");
        return Err(Failure::host_problem(Problem::new(Code::DigestMismatch, detail)));
    }
    Ok(())
}

fn limits(config: &LimitsConfig) -> UnpackLimits {
    UnpackLimits {
        archive_bytes: config.archive_bytes.0,
        unpacked_bytes: config.unpacked_bytes.0,
        entries: config.entries,
    }
}
