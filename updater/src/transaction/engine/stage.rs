//! Verifying and building what was received: everything before the switch. Nothing here touches what runs.

use std::fs;
use std::io;
use std::path::Path;

use common::{chain, sync_directory};
use protocol::{
    BuildKind, Code, Digest, FORMAT, Problem, RELEASE_RECORD, ReleaseManifest, ReleaseRecord, Space,
};
use rustix::io::Errno;

use crate::build::{self, BuildError, Conditions, Contents};
use crate::release::{
    LinkError, make_durable, make_links, own_tree, remove_release, remove_tree, seal_tree,
    tree_hash, write_record,
};
use crate::runner::{check_units, read_units};
use crate::sys::bounds::StopCheck;
use crate::sys::fs::read_plain;
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::{Failure, ReleaseStates};

use super::Engine;

/// Bytes of a manifest, at most.
const MANIFEST_BYTES: u64 = 64 << 10;

impl Engine {
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

    fn run_build(
        &mut self,
        manifest: &ReleaseManifest,
        release: &Path,
    ) -> Result<BuildKind, Failure> {
        let config = &self.app.config;
        let contents = Contents::read(release).map_err(|error| Failure::host(&error))?;
        let plan = build::plan(config, manifest, &contents);
        if plan.commands.is_empty() {
            return Ok(plan.kind);
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
        Ok(plan.kind)
    }

    /// The tree is whole: links, hash, disk, and last of all the record.
    fn complete(
        &mut self,
        release: &Path,
        digest: Digest,
        manifest: &ReleaseManifest,
        build: BuildKind,
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
            sha: self.label.clone(),
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

    pub(super) fn target(&self) -> Result<Digest, Failure> {
        self.journal.to.ok_or_else(|| {
            Failure::host_problem(Problem::new(Code::DigestMissing, "the release has no digest"))
        })
    }

    /// The manifest, in the staging directory before the move and in the store after it.
    fn staged_manifest(&self) -> Result<ReleaseManifest, Failure> {
        read_manifest(&self.app.layout.staging(self.transaction()))
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
