//! Receiving an archive and verifying what it says of itself. Nothing here touches what runs.

use std::cell::Cell;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use archive::{Progress, UnpackError, UnpackLimits, unpack};
use common::{chain, failed_to};
use protocol::{Code, Digest, EventKind, Kind, Problem, ReleaseManifest, SignatureError};

use super::Engine;
use crate::config::LimitsConfig;
use crate::runner::{check_units, command_of, read_units};
use crate::sys::checkpoint;
use crate::sys::fs::free_space;
use crate::transaction::manifest::unread;
use crate::transaction::signature_policy::{beyond_manifest, check_received};
use crate::transaction::{Failure, read_manifest};

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Engine {
    /// Takes the archive in one pass into the staging directory.
    pub(super) fn receive_archive(&mut self) -> Result<(), Failure> {
        let Some(mut archive) = self.archive.take() else {
            return Err(Problem::new(Code::BadRequest, "no archive came").into());
        };
        let known = archive.digest(self.manifest.as_deref());
        let staging = self.app.settings.layout.staging(self.transaction());
        fs::create_dir(&staging)?;
        // What a manifest says is within the limits: that was seen before.
        let own = unpack_limits(&self.app.settings.limits);
        let limits = self.manifest.as_ref().map_or(own, |signed| own.signed(&signed.manifest));
        let reserved = self.app.settings.reserved_names();
        let told = Cell::new(Instant::now());
        let total = archive.length;
        let progress = |progress: Progress| {
            if told.get().elapsed() >= PROGRESS_EVERY {
                told.set(Instant::now());
                let (bytes, entries) = (progress.archive_bytes, progress.entries);
                self.publish(EventKind::Progress { bytes, total, entries });
            }
        };
        let stop = self.stop_signal();
        let chunks = archive.chunks(&stop, &self.app.handle);
        let received = unpack(chunks, &staging, &limits, &reserved, &progress);
        checkpoint("received");
        let received = received
            .map_err(|error| stop.reason().unwrap_or_else(|| self.unpack_failure(&error)))?;
        for note in received.notes.iter() {
            tracing::warn!("{}: the archive is odd: {note}", self.app.settings.name);
        }
        self.publish(EventKind::Progress {
            bytes: received.archive_bytes,
            total: Some(received.archive_bytes),
            entries: received.entries,
        });
        check_digest(known.or(archive.declared.digest), received.digest)?;
        self.take_digest(received.digest)?;
        self.label = archive.declared.label.take();
        if let Some(signed) = &self.manifest {
            check_received(signed, &received)?;
        }
        self.received = Some(received);
        Ok(())
    }

    /// Checks what the whole archive had to show first: what it says of itself.
    pub(super) fn verify(&mut self) -> Result<(), Failure> {
        let manifest = self.staged_manifest()?;
        check_units(&self.app.settings.config.run, manifest.units.as_ref())
            .map_err(|detail| Problem::new(Code::NotSupported, detail))?;
        let host = [std::env::consts::OS, std::env::consts::ARCH];
        let said = (manifest.os.as_deref(), manifest.arch.as_deref());
        let wanted = [("os", said.0, host[0]), ("arch", said.1, host[1])];
        for (key, wanted, host) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != host) {
                let detail = format!("release.toml says {key} = {wanted:?}; this host is {host:?}");
                return Err(Problem::new(Code::PlatformMismatch, detail).into());
            }
        }
        self.check_start(&manifest)?;
        // Now, while nothing but the updater has written to the tree.
        let staging = self.app.settings.layout.staging(self.transaction());
        self.units = read_units(&staging, manifest.units.as_ref())
            .map_err(|(path, error)| unread(&path, "units", &error))?;
        Ok(())
    }

    /// Whether it is known how the release is started, or that nothing is; and, where only now it is known to
    /// have a process, whether its port is free.
    fn check_start(&mut self, manifest: &ReleaseManifest) -> Result<(), Failure> {
        let run = &self.app.settings.config.run;
        if self.journal.kind == Kind::SelfUpdate {
            return Ok(());
        }
        if run.says_how() && (run.starts_each() || self.journal.kind != Kind::Update) {
            return Ok(());
        }
        let staging = self.app.settings.layout.staging(self.transaction());
        let executables = self.received.as_ref().is_none_or(|received| received.executables > 0);
        self.files_alone = manifest.says_nothing_of_its_start()
            && manifest.is_files_alone(executables, |name| staging.join(name).exists());
        let command = command_of(run, manifest.run.as_ref(), self.files_alone)
            .map_err(|error| Problem::new(Code::NotSupported, failed_to(&error)))?;
        if command.is_some() && self.journal.kind == Kind::Update && !self.force {
            self.app.refuse_taken_port()?;
        }
        Ok(())
    }

    /// The manifest in the staging directory.
    pub(super) fn staged_manifest(&self) -> Result<ReleaseManifest, Failure> {
        read_manifest(&self.app.settings.layout.staging(self.transaction()))
    }

    /// In a form, the digest may be known only now.
    fn take_digest(&mut self, received: Digest) -> Result<(), Failure> {
        let states = self.app.settings.release_states()?;
        states.refuse_quarantined(&received, self.retry_quarantined)?;
        self.log_digest(received);
        self.journal.to = Some(received);
        Ok(())
    }

    fn unpack_failure(&self, error: &UnpackError) -> Failure {
        let code = match error {
            UnpackError::TooLarge { .. } => Code::ArchiveTooLarge,
            UnpackError::Rejected { .. } => Code::ArchiveRejected,
            // What was said of it contradicts itself.
            UnpackError::Interrupted { source } if source.kind() == io::ErrorKind::InvalidInput => {
                Code::BadRequest
            }
            UnpackError::Interrupted { .. } => Code::Interrupted,
            UnpackError::Io { .. } if error.is_no_space() => Code::NoSpace,
            UnpackError::Io { .. } => Code::Internal,
        };
        let mut problem = Problem::new(code, chain(error));
        let beyond = beyond_manifest(error).filter(|_| self.manifest.is_some());
        if let Some(rule) = beyond {
            let detail = "the archive is more than its signed manifest says".to_owned();
            problem = SignatureError { rule, detail }.into();
        } else if let UnpackError::Rejected { rule, entry, .. } = error {
            problem.rule = Some(rule.code().to_owned());
            problem.entry.clone_from(entry);
        }
        if error.is_no_space() {
            problem.free = free_space(self.app.settings.layout.install()).ok();
        }
        problem.into()
    }
}

fn check_digest(announced: Option<Digest>, received: Digest) -> Result<(), Problem> {
    let Some(announced) = announced else {
        let detail = "the archive came without its digest (Content-Digest, or the part sha256)";
        return Err(Problem::new(Code::DigestMissing, detail));
    };
    if announced != received {
        let detail = format!("{announced} was announced and {received} was received");
        return Err(Problem::new(Code::DigestMismatch, detail));
    }
    Ok(())
}

fn unpack_limits(limits: &LimitsConfig) -> UnpackLimits {
    UnpackLimits {
        archive_bytes: limits.archive_bytes.0,
        unpacked_bytes: limits.unpacked_bytes.0,
        entries: limits.entries,
        path_parts: limits.path_parts,
    }
}
