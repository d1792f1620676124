//! Receiving, verifying, building: everything before the switch. Nothing here touches what runs.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{chain, sync_directory};
use protocol::{
    Code, Digest, EventKind, FORMAT, Kind, Problem, RELEASE_RECORD, ReleaseManifest, ReleaseRecord,
    SignatureError, Space,
};

use rustix::io::Errno;

use crate::build::{self, BuildError, Conditions, Contents};
use crate::release::{
    LinkError, Progress, UnpackError, UnpackLimits, make_durable, make_links, own_tree,
    remove_release, remove_tree, seal_tree, tree_hash, unpack, write_record,
};
use crate::runner::{check_units, read_units};
use crate::sys::bounds::StopCheck;
use crate::sys::fs::{free_space, read_plain};
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::admission::{Archive, refuse_quarantined};
use crate::transaction::signature_policy::{beyond_manifest, check_received};
use crate::transaction::{Failure, ReleaseStates};

use super::Engine;

/// Bytes of a manifest, at most.
const MANIFEST_BYTES: u64 = 64 << 10;
/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Engine {
    /// Takes the archive in one pass into the staging directory.
    pub(super) fn take_archive(&mut self) -> Result<(), Failure> {
        let Some(mut archive) = self.archive.take() else {
            return Err(Failure::host_problem(Problem::new(Code::BadRequest, "no archive came")));
        };
        let staging = self.app.layout.staging(self.transaction());
        fs::create_dir(&staging).map_err(|error| Failure::host(&error))?;
        // What a manifest says is within the limits: that was seen before.
        let signed = self.accepted.as_ref().map(|accepted| UnpackLimits::from(&accepted.manifest));
        let bounds = signed.unwrap_or_else(|| UnpackLimits::from(&self.app.limits));
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
        let chunks = std::iter::from_fn(|| {
            let chunk = stop.or(&self.app.handle, archive.chunks.recv());
            chunk.unwrap_or_else(|_| Some(Err(io::ErrorKind::Interrupted.into())))
        });
        let received = unpack(chunks, &staging, &bounds, &reserved, &progress);
        checkpoint("received");
        let received = received
            .map_err(|error| stop.heard().unwrap_or_else(|| self.unpack_failure(&error)))?;
        self.tell(EventKind::Progress {
            bytes: received.archive_bytes,
            total: Some(received.archive_bytes),
            entries: received.entries,
        });
        self.check_digest(&archive, received.digest)?;
        if let Some(accepted) = &self.accepted {
            check_received(accepted, &received)
                .map_err(|error| Failure::host_problem(error.into()))?;
        }
        self.received = Some(received);
        Ok(())
    }

    /// Checks what the whole archive had to show first: what it says of itself.
    pub(super) fn verify(&mut self) -> Result<(), Failure> {
        let manifest = self.staged_manifest()?;
        check_units(&self.app.config.run, manifest.units.as_ref())
            .map_err(|detail| Failure::host_problem(Problem::new(Code::NotSupported, detail)))?;
        let host = [std::env::consts::OS, std::env::consts::ARCH];
        let wanted = [("os", manifest.os, host[0]), ("arch", manifest.arch, host[1])];
        for (key, wanted, host) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| wanted != host) {
                let detail = format!("release.toml says {key} = {wanted:?}; this host is {host:?}");
                return Err(Failure::host_problem(Problem::new(Code::PlatformMismatch, detail)));
            }
        }
        // Now, while nobody but the updater has written to the tree.
        let staging = self.app.layout.staging(self.transaction());
        self.units = read_units(&staging, manifest.units.as_ref())
            .map_err(|(path, error)| unread(&path, "units", &error))?;
        Ok(())
    }

    /// Moves the tree to where it will run from, builds it there, and makes it a release.
    pub(super) fn build(&mut self) -> Result<(), Failure> {
        let digest = self.target()?;
        let release = self.app.layout.release(&digest);
        if self.app.is_kept(&digest).map_err(|error| Failure::host(&error))? {
            // It may be what runs. What was received goes with the litter.
            return Ok(());
        }
        let manifest = self.staged_manifest()?;
        self.move_to_store(&release).map_err(|error| Failure::host(&error))?;
        checkpoint("moved_to_store");
        let built = self.run_build(&manifest, &release).and_then(|kind| {
            checkpoint("built");
            self.complete(&release, digest, &manifest, kind)
        });
        if built.is_err() {
            // After a refusal nothing new is in the store.
            remove_release(&release).map_err(|error| Failure::host(&error))?;
            self.forget(&digest)?;
        }
        built
    }

    /// What is gone is not known any more.
    fn forget(&self, digest: &Digest) -> Result<(), Failure> {
        let path = self.app.files.facts();
        let before = ReleaseStates::read(&path).map_err(|error| Failure::host(&error))?;
        let mut facts = before.clone();
        facts.removed(digest);
        if facts == before {
            return Ok(());
        }
        facts.write(&path).map_err(|error| Failure::host(&error))
    }

    /// What is being built is known not to be whole, before it is given away: a build can make a tree
    /// that looks like a release, and the seal gives that back to the updater before it is looked at.
    fn distrust(&self, digest: Digest) -> Result<(), Failure> {
        let path = self.app.files.facts();
        let mut facts = ReleaseStates::read(&path).map_err(|error| Failure::host(&error))?;
        facts.begun(digest, wall_clock());
        facts.write(&path).map_err(|error| Failure::host(&error))
    }

    fn move_to_store(&self, release: &Path) -> io::Result<()> {
        if release.exists() {
            // Only a directory without a record can be here: litter of an earlier attempt.
            remove_tree(release)?;
        }
        fs::rename(self.app.layout.staging(self.transaction()), release)?;
        // That the old name is gone need not be durable: what is left in there is swept.
        sync_directory(&self.app.layout.store())
    }

    fn run_build(&mut self, manifest: &ReleaseManifest, release: &Path) -> Result<String, Failure> {
        let config = &self.app.config;
        let contents = Contents::read(release).map_err(|error| Failure::host(&error))?;
        let plan = build::plan(config, manifest, &contents);
        if plan.commands.is_empty() {
            return Ok(plan.kind.name().to_owned());
        }
        self.distrust(self.target()?)?;
        let user = self.app.user.as_ref();
        if let Some(user) = user {
            own_tree(release, user.uid, user.gid).map_err(|error| Failure::host(&error))?;
        }
        let cache = self.app.files.builds();
        let reserve = Space {
            bytes: self.app.limits.reserve_bytes.0,
            inodes: self.app.limits.reserve_inodes,
        };
        let stop = self.stop();
        let until = || stop.heard().is_some();
        let units = self.app.build_units.as_ref().filter(|_| config.build_unit);
        let conditions = Conditions { reserve, until: StopCheck(&until), units };
        let built = build::run_build(&plan, config, release, user, &cache, conditions);
        let report = built.map_err(|error| {
            self.evidence.build_output = error.tail().to_vec();
            stop.heard().unwrap_or_else(|| build_failure(&error))
        })?;
        self.evidence.build_output = report.tail;
        seal_tree(release).map_err(|error| {
            Failure::host_problem(Problem::new(Code::BuildFailed, chain(&error)))
        })?;
        // After the seal: a process of the same user could put one in between.
        refuse_record(release)?;
        Ok(plan.kind.name().to_owned())
    }

    /// The tree is whole: links, hash, disk, and last of all the record.
    fn complete(
        &mut self,
        release: &Path,
        digest: Digest,
        manifest: &ReleaseManifest,
        build: String,
    ) -> Result<(), Failure> {
        let config = &self.app.config;
        let owner = self.app.user.as_ref().map(|user| (user.uid, user.gid));
        make_links(&self.app.layout, release, &config.links, owner)
            .map_err(|error| link_failure(&error))?;
        let skip = self.reserved();
        let timeout = self.app.limits.sync_timeout.0;
        // One waits for the processor, the other for the disk.
        let (tree, durable) = std::thread::scope(|scope| {
            let durable = scope.spawn(|| make_durable(release, timeout));
            (tree_hash(release, &skip), durable.join())
        });
        let tree = tree.map_err(|error| Failure::host(&error))?;
        let durable = durable.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        durable.map_err(|error| Failure::host(&error))?;
        checkpoint("made_durable");
        let now = wall_clock();
        let path = self.app.files.facts();
        let mut facts = ReleaseStates::read(&path).map_err(|error| Failure::host(&error))?;
        facts.staged(digest, Some(tree), now);
        if let Some(accepted) = &self.accepted {
            self.app.keep_counter(accepted).map_err(|error| Failure::host(&error))?;
            checkpoint("counter_kept");
            facts.signed(digest, &accepted.key, now);
        }
        facts.write(&path).map_err(|error| Failure::host(&error))?;
        let (archive_bytes, unpacked_bytes, entries) = self
            .received
            .as_ref()
            .map_or((0, 0, 0), |got| (got.archive_bytes, got.unpacked_bytes, got.entries));
        let record = ReleaseRecord {
            format: FORMAT,
            digest,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            sha: self.label.as_ref().and_then(|label| label.get().cloned()),
            installed_at: now,
            archive_bytes,
            unpacked_bytes,
            entries,
            build,
            units: std::mem::take(&mut self.units),
        };
        write_record(release, &record).map_err(|error| Failure::host(&error))?;
        checkpoint("record_written");
        Ok(())
    }

    fn check_digest(&mut self, archive: &Archive, received: Digest) -> Result<(), Failure> {
        let Some(announced) = archive.digest.get() else {
            let detail = "the archive came without its digest (Content-Digest, or the part sha256)";
            return Err(Failure::host_problem(Problem::new(Code::DigestMissing, detail)));
        };
        if *announced != received {
            let detail = format!("{announced} was announced and {received} was received");
            return Err(Failure::host_problem(Problem::new(Code::DigestMismatch, detail)));
        }
        if self.journal.kind == Kind::SelfUpdate && archive.confirm_self.get() != Some(&true) {
            let detail = "say confirm_self=true: this replaces the updater itself";
            return Err(Failure::host_problem(Problem::new(Code::BadRequest, detail)));
        }
        // In multipart this is the first time that the digest is known.
        let facts =
            ReleaseStates::read(&self.app.files.facts()).map_err(|error| Failure::host(&error))?;
        refuse_quarantined(&received, &facts, self.retry_quarantined)
            .map_err(Failure::host_problem)?;
        self.log_digest(received);
        self.journal.to = Some(received);
        Ok(())
    }

    pub(super) fn target(&self) -> Result<Digest, Failure> {
        self.journal.to.ok_or_else(|| {
            Failure::host_problem(Problem::new(Code::DigestMissing, "the release has no digest"))
        })
    }

    /// The manifest, in the staging directory before the move and in the store after it.
    fn staged_manifest(&self) -> Result<ReleaseManifest, Failure> {
        read_manifest(&self.app.layout.staging(self.transaction()))
    }

    /// Names at the top of a release that are the updater's own.
    fn reserved(&self) -> Vec<String> {
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

/// Reads the manifest of a release's directory; one without any is an empty one. A build may have
/// put anything there: no link is followed, nothing but a file is opened, and only so much is read.
pub(crate) fn read_manifest(release: &Path) -> Result<ReleaseManifest, Failure> {
    let (file, rule) = (ReleaseManifest::FILE, "manifest");
    let text = read_plain(release, file, MANIFEST_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    let text = match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(ReleaseManifest::default());
        }
        text => text.map_err(|error| unread(file, rule, &error))?,
    };
    ReleaseManifest::parse(&text).map_err(|error| rejected(file, rule, &chain(&error)))
}

/// A file of a release that cannot be read. That it is there, is a file and no link, and holds text
/// is the release's to see to. The disk is not.
fn unread(entry: &str, rule: &str, error: &io::Error) -> Failure {
    use Errno as E;
    match Errno::from_io_error(error) {
        None
        | Some(E::NOENT | E::NOTDIR | E::LOOP | E::XDEV | E::NXIO | E::INVAL | E::NAMETOOLONG) => {
            rejected(entry, rule, &format!("read {entry}: {}", chain(error)))
        }
        Some(_) => Failure::host(error),
    }
}

fn rejected(entry: &str, rule: &str, why: &str) -> Failure {
    let problem = Problem::new(Code::ArchiveRejected, format!("failed to {why}"));
    let (entry, rule) = (Some(entry.to_owned()), Some(rule.to_owned()));
    Failure::host_problem(Problem { entry, rule, ..problem })
}

fn build_failure(error: &BuildError) -> Failure {
    let mut problem = Problem::new(Code::BuildFailed, chain(error));
    if let BuildError::NoRoom { needed, free, .. } = error {
        problem = Problem::new(Code::NoSpace, chain(error));
        problem.needed = Some(*needed);
        problem.free = Some(*free);
    }
    Failure::host_problem(Problem { output: error.tail().to_vec(), ..problem })
}

/// A release is whole when its record is there, so none may come from its build.
fn refuse_record(release: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(release.join(RELEASE_RECORD)).is_err() {
        return Ok(());
    }
    let detail = format!("the build made {RELEASE_RECORD}, which is the updater's own");
    Err(Failure::host_problem(Problem::new(Code::BuildFailed, detail)))
}

fn link_failure(error: &LinkError) -> Failure {
    if matches!(error, LinkError::Io { .. }) {
        return Failure::host(error);
    }
    Failure::host_problem(Problem::new(Code::BuildFailed, chain(error)))
}
