//! Building a release where it will run from, and making it one: sealed, linked, hashed, on the disk,
//! and last of all with its record. Nothing here touches what runs.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use common::{chain, failed_to, sync_directory, write_durably};
use protocol::{
    AppName, Code, Digest, FORMAT, Problem, RELEASE_RECORD, ReleaseManifest, ReleaseRecord, Space,
};

use super::Engine;
use crate::build::{self, BuildError, BuildPlan, Conditions, Contents, PlanError, ReleaseFacts};
use crate::config::AppConfig;
use crate::release::{
    LinkError, TreeList, make_durable, make_links, own_tree, seal_tree, write_record,
};
use crate::sys::bounds::StopCheck;
use crate::sys::fs::exchange;
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::Failure;

impl Engine {
    /// Moves the tree to where it will run from, builds it there, and makes it a release.
    pub(super) fn build(&mut self) -> Result<(), Failure> {
        let digest = self.ordered_release()?;
        let settings = &self.app.settings;
        let kept = settings.is_kept(&digest)?;
        let damage = kept.then(|| settings.said_damage(&digest)).flatten();
        if kept && damage.is_none() {
            // It may be what runs. What was received is swept at the end.
            return Ok(());
        }
        let release = settings.layout.name(&digest, settings.name_length()?)?;
        let manifest = self.staged_manifest()?;
        let before = settings.release_states()?.get(&digest).cloned();
        let replaces = self.move_to_store(&release)?;
        checkpoint("moved_to_store");
        let built = self.run_build(&manifest, &release).and_then(|plan| {
            checkpoint("built");
            self.complete(&release, digest, &manifest, &plan)?;
            self.built = Some(plan);
            self.notes.extend(
                damage.map(|damage| format!("its copy here was damaged and is replaced: {damage}")),
            );
            Ok(())
        });
        if built.is_err() {
            // After a refusal nothing new is in the store, nor known of it.
            let settings = &self.app.settings;
            if replaces {
                exchange(&settings.layout.staging(self.transaction()), &release)?;
                sync_directory(&settings.layout.store())?;
            } else if let Err(error) = settings.layout.remove(&digest) {
                // Why it could not be built is what the caller has to know.
                tracing::warn!("{} cannot be removed: {error}", release.display());
            }
            settings.change_release_states(|states| match before.filter(|_| replaces) {
                Some(before) => states.put_back(digest, before),
                None => states.removed(&digest),
            })?;
        }
        built
    }

    /// True if another copy of the release was there: a damaged one, or what an earlier attempt left. It
    /// lies where the archive was received then, and is swept at the end.
    fn move_to_store(&self, release: &Path) -> io::Result<bool> {
        let layout = &self.app.settings.layout;
        let staging = layout.staging(self.transaction());
        let replaces = release.exists();
        if replaces {
            // `active` may lead there: there is no moment at which it dangles.
            exchange(&staging, release)?;
        } else {
            fs::rename(staging, release)?;
        }
        // That the old name is gone need not be durable: what is left in there is swept.
        sync_directory(&layout.store())?;
        Ok(replaces)
    }

    fn run_build(
        &mut self,
        manifest: &ReleaseManifest,
        release: &Path,
    ) -> Result<BuildPlan, Failure> {
        let digest = self.ordered_release()?;
        let settings = &self.app.settings;
        let config = &settings.config;
        let contents = Contents::read(release)?;
        let plan = build::plan(config, manifest, &contents).map_err(|error| unplanned(&error))?;
        if plan.commands.is_empty() {
            return Ok(plan);
        }
        // What is being built is known not to be whole, before it is given away: a build can make a
        // tree that looks like a release, and the seal gives that back to the updater before the
        // updater looks at it.
        settings.change_release_states(|states| states.begun(digest, wall_clock()))?;
        let user = settings.user.as_ref();
        if let Some(user) = user {
            own_tree(release, user.uid, user.gid)?;
        }
        let cache = settings.files.builds();
        let reserve = Space {
            bytes: settings.limits.reserve_bytes.0,
            inodes: settings.limits.reserve_inodes,
        };
        let stop = self.stop_signal();
        let until = || stop.reason().is_some();
        let units = settings.build_units.as_ref().filter(|_| config.build_unit);
        let (facts, log) = (self.facts(manifest), settings.files.build_log());
        let until = StopCheck(&until);
        let conditions = Conditions { reserve, until, units, facts: &facts, log: &log };
        let built = build::run_build(&plan, config, release, user, &cache, conditions);
        if let Err(error) = build::bound_caches(&cache, config.build_cache.0) {
            let why = chain(&error);
            tracing::warn!("{} cannot be held to build_cache: {why}", cache.display());
        }
        let report = built.map_err(|error| {
            self.evidence.build_output = error.tail().to_vec();
            stop.reason().unwrap_or_else(|| build_failure(&error, config, &settings.name))
        })?;
        // Only of a failure is the whole output kept.
        let _ = fs::remove_file(&log);
        self.evidence.build_output = report.tail;
        let failed = |error: &(dyn Error + 'static)| Problem::new(Code::BuildFailed, chain(error));
        seal_tree(release).map_err(|error| failed(&error))?;
        build::clean(release, &plan.clean).map_err(|error| failed(&error))?;
        // After the seal: a process of the same user could put one in between.
        refuse_record(release)?;
        Ok(plan)
    }

    /// What its build is told of the release: what its archive says of the commit counts, else the
    /// sender's label.
    fn facts(&self, manifest: &ReleaseManifest) -> ReleaseFacts {
        let origin = self.received.as_ref().map(|received| received.origin.clone());
        let origin = origin.unwrap_or_default();
        ReleaseFacts {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            commit: origin.commit.or_else(|| self.label.as_deref().and_then(commit_of)),
            describe: origin.describe,
        }
    }

    /// The tree is whole: links, hash, disk, and last of all the record.
    fn complete(
        &mut self,
        release: &Path,
        digest: Digest,
        manifest: &ReleaseManifest,
        plan: &BuildPlan,
    ) -> Result<(), Failure> {
        let settings = &self.app.settings;
        let owner = settings.user.as_ref().map(|user| (user.uid, user.gid));
        make_links(&settings.layout, release, &settings.config.links, owner)?;
        let skip = settings.reserved_names();
        let timeout = settings.limits.sync_timeout.0;
        // One waits for the processor, the other for the disk.
        let (tree, durable) = std::thread::scope(|scope| {
            let durable = scope.spawn(|| make_durable(release, timeout));
            (TreeList::read(release, &skip), durable.join())
        });
        let tree = tree?;
        durable.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        fs::create_dir_all(settings.files.tree_lists())?;
        write_durably(&settings.files.tree_list(&digest), &tree.to_bytes())?;
        checkpoint("made_durable");
        let now = wall_clock();
        let mut states = settings.release_states()?;
        states.staged(digest, Some(tree.hash()), now);
        states.skipped(digest, skip, now);
        if let Some(signed) = &self.manifest {
            settings.keep_counter(signed)?;
            checkpoint("counter_kept");
            states.signed(digest, &signed.key, now);
        }
        states.write(&settings.files.release_states())?;
        let (archive_bytes, unpacked_bytes, entries) = self
            .received
            .as_ref()
            .map_or((0, 0, 0), |got| (got.archive_bytes, got.unpacked_bytes, got.entries));
        let ReleaseFacts { commit, describe, .. } = self.facts(manifest);
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
            build: plan.kind.clone(),
            built_with: plan.with.clone(),
            ignored_lock: plan.ignored_lock.clone(),
            commit,
            describe,
            files_alone: self.files_alone,
            units: std::mem::take(&mut self.units),
        };
        write_record(release, &record)?;
        checkpoint("record_written");
        Ok(())
    }
}

/// A build that is not guessed is for the release to say, whatever the host.
fn unplanned(error: &PlanError) -> Failure {
    let (entry, rule) = (Some(error.file().to_owned()), Some("unknown_build".to_owned()));
    let problem = Problem::new(Code::ArchiveRejected, failed_to(error));
    Problem { entry, rule, ..problem }.into()
}

fn build_failure(error: &BuildError, config: &AppConfig, app: &AppName) -> Failure {
    let mut detail = chain(error);
    if !config.build_network && error.may_lack_network() {
        let key = format!("build_network = false in [app.{app}] of updater.toml");
        let _infallible = write!(detail, "; this host gives its builds no network ({key})");
    }
    let mut problem = Problem::new(Code::BuildFailed, detail);
    if let BuildError::NoRoom { needed, free, .. } = error {
        problem.code = Code::NoSpace;
        problem.needed = Some(*needed);
        problem.free = Some(*free);
    }
    Failure::host_problem(Problem { output: error.tail().to_vec(), ..problem })
}

/// The commit that a label names, as `swarm` sends it.
fn commit_of(label: &str) -> Option<String> {
    let name = label.strip_suffix("-dirty").unwrap_or(label);
    let is_commit =
        matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| name.to_owned())
}

/// A release is whole when its record is there, so none may come from its build.
fn refuse_record(release: &Path) -> Result<(), Problem> {
    if fs::symlink_metadata(release.join(RELEASE_RECORD)).is_err() {
        return Ok(());
    }
    let detail = format!("the build made {RELEASE_RECORD}, which is the updater's own");
    Err(Problem::new(Code::BuildFailed, detail))
}

impl From<LinkError> for Failure {
    /// A link is where the release has something else, unless the disk refuses it.
    fn from(error: LinkError) -> Self {
        if matches!(error, LinkError::Io { .. }) {
            return Self::host(&error);
        }
        Problem::new(Code::BuildFailed, chain(&error)).into()
    }
}
