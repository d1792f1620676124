//! Taking an order: whether it may begin, and what it comes to before anything is touched.

use std::path::Path;
use std::sync::Arc;

use common::failed_to;
use protocol::{
    Bytes, Code, Digest, Kind, Problem, ReleaseSlot, Space, Status, TransactionId,
    TransactionResult,
};

use super::engine::Engine;
use super::{App, Failure, Order, ReleaseStates, Target};
use crate::config::LimitsConfig;
use crate::release::Slot;
use crate::sys::spawn_thread;
use crate::trust::VerifiedManifest;

/// What became of an order.
#[derive(Debug)]
pub enum Admission {
    /// There was nothing to do.
    AlreadyCurrent(Box<TransactionResult>),
    /// It is under way, and goes on to its end whether anyone listens or not.
    Started {
        transaction: TransactionId,
        /// Whether it takes the archive.
        receives: bool,
    },
}

/// What an order comes to before anything is touched.
#[derive(Debug)]
enum Plan {
    /// A release that is on the disk is to be activated.
    Activate {
        digest: Digest,
        /// The signed manifest under which it may run from now on.
        manifest: Option<Box<VerifiedManifest>>,
    },
    /// An archive has to be taken first: the one of this manifest, where signatures are asked for.
    Receive(Option<Box<VerifiedManifest>>),
    /// There is nothing to do.
    Current(Digest),
}

impl App {
    /// Takes an order and carries it out on a thread of its own, or says why not. Nothing is
    /// touched before it is known that the order can begin.
    pub fn begin(self: &Arc<Self>, order: Order) -> Result<Admission, Failure> {
        let lock = self.lock_at_rest()?;
        if let Some(own) = &self.self_update {
            own.seed(&self.settings)?;
        }
        let connection = order.connection;
        let app = Arc::clone(self);
        let plan = self.plan(&order)?;
        if !matches!(plan, Plan::Current(_)) {
            self.check_state_space(order.kind)?;
        }
        let (engine, receives) = match plan {
            Plan::Current(digest) => {
                let result = Box::new(self.already_current(digest));
                return Ok(Admission::AlreadyCurrent(result));
            }
            Plan::Activate { digest, manifest } => {
                if let Some(manifest) = &manifest {
                    self.settings.record_signature(manifest)?;
                }
                (Engine::activate(app, lock, order, digest)?, false)
            }
            Plan::Receive(manifest) => (Engine::receive(app, lock, order, manifest)?, true),
        };
        let transaction = engine.transaction().clone();
        self.status.update(|status| {
            status.running = Some((transaction.clone(), engine.kind()));
            status.connection = connection;
        });
        let app = Arc::clone(self);
        let span = engine.span();
        let work = move || {
            let _inside = span.entered();
            let ended = engine.run();
            app.recover_if_needed(&ended);
            app.agent.changed.notify_one();
            if let Some(own) = &app.self_update {
                own.ended(ended.outcome);
            }
        };
        let thread = std::thread::Builder::new().name(format!("update-{}", self.settings.name));
        let started = match &self.spare {
            Some(spare) => spare.run(thread, work),
            None => spawn_thread(thread, work).map(drop),
        };
        if started.is_err() {
            self.status.update(|status| status.running = None);
        }
        started.map_err(|error| {
            let detail = format!("failed to start a thread for the order: {error}");
            Failure::host_problem(Problem::new(Code::Internal, detail))
        })?;
        Ok(Admission::Started { transaction, receives })
    }

    /// Refuses an update while a process that is none of ours has the port at which the agent would be
    /// asked: no release could be proven, and it is not to blame.
    pub(super) fn refuse_taken_port(&self) -> Result<(), Failure> {
        let active = self.settings.layout.slot(Slot::Active)?;
        let agent = active.and_then(|active| self.agent.running_instance(&active));
        let Some(stranger) = self.agent.stranger_at_its_port(agent.as_ref()) else { return Ok(()) };
        let detail = format!("{stranger}; --force goes on all the same");
        Err(Failure::host_problem(Problem::new(Code::Internal, detail)))
    }

    /// Decides what an order comes to. The lock is held; nothing has been touched.
    fn plan(&self, order: &Order) -> Result<Plan, Failure> {
        self.settings.refuse_obstacles()?;
        if order.kind != Kind::SelfUpdate {
            if !order.options.force {
                self.settings.refuse_lost_release()?;
            }
            // An agent that cannot be found cannot be stopped: better told now than after the switch.
            self.agent.runner().find()?;
        }
        if self.agent.hands_over(order.kind) {
            // So is a socket that cannot be passed on.
            let prepared = self.agent.handover()?.1.prepare();
            prepared.map_err(|error| Problem::new(Code::NotSupported, failed_to(&error)))?;
        }
        let settings = &self.settings;
        let states = settings.release_states()?;
        let manifest = settings.check_signature(&order.target, &states)?;
        let digest = match &order.target {
            Target::Archive(archive) => archive.digest(manifest.as_deref()),
            Target::Digest(digest) => Some(self.kept(*digest)?),
            Target::Previous => Some(self.previous()?),
        };
        let known = digest.filter(|digest| settings.is_kept(digest).unwrap_or(false));
        let may_be_without_process = match known {
            Some(known) => !self.agent.has_process(&known).unwrap_or(true),
            // What comes says itself whether it has one.
            None => !settings.config.run.starts_each(),
        };
        if order.kind == Kind::Update && !order.options.force && !may_be_without_process {
            self.refuse_taken_port()?;
        }
        if let Some(digest) = digest {
            states.refuse_quarantined(&digest, order.options.retry_quarantined)?;
            if self.needs_mending(&digest, &order.target)? {
                return Ok(Plan::Receive(manifest));
            }
            // A program may go on without its files; they are sent anew, then.
            let kept = settings.is_kept(&digest)?;
            let whole = kept || self.self_update.is_some();
            let again = order.kind == Kind::Stage || order.options.force;
            if whole && !again && self.runs(&digest, &states) {
                return Ok(Plan::Current(digest));
            }
            if kept {
                return Ok(Plan::Activate { digest, manifest });
            }
        }
        if let Target::Archive(archive) = &order.target {
            let signed = manifest.as_ref().map(|signed| signed.manifest.archive_bytes);
            self.check_space(signed.or(archive.length))?;
        }
        Ok(Plan::Receive(manifest))
    }

    /// Whether a release that is kept is damaged, and its archive comes, which mends it. Without the
    /// archive it is refused: nothing is gone to that is not what was proven.
    fn needs_mending(&self, digest: &Digest, target: &Target) -> Result<bool, Failure> {
        // What runs as the updater itself is checked by its successor.
        if self.self_update.is_some() || !self.settings.is_kept(digest)? {
            return Ok(false);
        }
        if matches!(target, Target::Archive(_)) {
            return Ok(self.settings.said_damage(digest).is_some());
        }
        let Some(lost) = self.settings.damage(digest)? else { return Ok(false) };
        let detail = format!(
            "{digest} is damaged here: {lost} is not as it was after its build; push its archive again"
        );
        let problem = Problem::new(Code::UnknownRelease, detail);
        Err(Problem { target: Some(*digest), ..problem }.into())
    }

    /// The answer to an order for what runs already.
    fn already_current(&self, digest: Digest) -> TransactionResult {
        TransactionResult {
            status: Status::AlreadyCurrent,
            code: None,
            transaction: None,
            release: Some(self.settings.slot_release(ReleaseSlot::Active, &digest)),
            from: Some(digest),
            to: Some(digest),
            target: Some(digest),
            probe: None,
            duration_ms: 0,
            problem: None,
            notes: Vec::new(),
        }
    }

    fn kept(&self, digest: Digest) -> Result<Digest, Failure> {
        if self.settings.is_kept(&digest)? {
            return Ok(digest);
        }
        let name = &self.settings.name;
        let detail = format!("{name} keeps no release {digest}; send its archive");
        Err(Problem::new(Code::UnknownRelease, detail).into())
    }

    fn previous(&self) -> Result<Digest, Failure> {
        let prev = self.settings.layout.slot(Slot::Prev)?;
        let states = self.settings.release_states()?;
        if let Some(prev) = prev.filter(|digest| !states.failed_here(digest))
            && self.settings.is_kept(&prev)?
        {
            return Ok(prev);
        }
        let name = &self.settings.name;
        let detail = format!("{name} never ran another good release on this host");
        Err(Problem::new(Code::NoPreviousRelease, detail).into())
    }

    /// Whether `active` names the release, its agent runs, it was proven here, and nothing that is known
    /// speaks against it: only then there is nothing to do.
    fn runs(&self, digest: &Digest, states: &ReleaseStates) -> bool {
        if let Some(own) = &self.self_update {
            return own.release() == *digest;
        }
        let active = self.settings.layout.slot(Slot::Active).ok().flatten();
        let stands = || self.agent.has_process(digest).is_ok_and(|has| !has);
        let runs =
            active == Some(*digest) && (self.agent.running_instance(digest).is_some() || stands());
        self.refresh();
        runs && states.proven(digest) && self.status.get().health().healthy
    }

    fn check_space(&self, length: Option<u64>) -> Result<(), Problem> {
        let limits = &self.settings.limits;
        if length.is_some_and(|length| length > limits.archive_bytes.0) {
            let limit = limits.archive_bytes;
            let detail = format!("it has {} bytes, the limit is {limit}", length.unwrap_or(0));
            return Err(Problem::new(Code::ArchiveTooLarge, detail));
        }
        let Some(free) = self.settings.free_space() else { return Ok(()) };
        let needed = Space {
            bytes: length.unwrap_or(0).saturating_add(limits.reserve_bytes.0),
            inodes: limits.reserve_inodes,
        };
        if free.bytes >= needed.bytes && free.inodes >= needed.inodes {
            return Ok(());
        }
        let detail = no_space(self.settings.layout.install(), length, limits, free);
        let problem = Problem::new(Code::NoSpace, detail);
        Err(Problem { needed: Some(needed), free: Some(free), ..problem })
    }
}

/// What is free, and what has to be: of bytes, or else of inodes.
fn no_space(directory: &Path, length: Option<u64>, limits: &LimitsConfig, free: Space) -> String {
    let (archive, reserve) = (length.unwrap_or(0), limits.reserve_bytes);
    let there = directory.display();
    if free.bytes >= archive.saturating_add(reserve.0) {
        let (free, reserve) = (free.inodes, limits.reserve_inodes);
        return format!(
            "{there} has {free} inodes free; {reserve} have to stay free (limits.reserve_inodes)"
        );
    }
    format!(
        "{there} has {} free; it needs {} for the archive, and {} that have to stay free \
         (limits.reserve_bytes)",
        Bytes(free.bytes).about(),
        Bytes(archive).about(),
        reserve.about()
    )
}
