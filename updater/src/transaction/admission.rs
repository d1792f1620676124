//! An order, and whether it may begin.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use common::{StateFileError, chain, failed_to};
use protocol::{
    Code, Digest, Kind, OrderOptions, Problem, Space, Status as Answer, TransactionResult,
};
use tokio::sync::mpsc;

use crate::release::{RecordError, Slot, is_sealed, read_record};
use crate::sys::fs::free_space;
use crate::transaction::journal::is_no_space;
use crate::transaction::{App, ReleaseStates};
use crate::trust::{Accepted, Presented};

/// What is asked for.
#[derive(Debug)]
pub struct Order {
    /// Stage, update or roll back.
    pub kind: Kind,
    pub target: Target,
    pub options: OrderOptions,
    /// `master`, or `local`.
    pub caller: String,
    /// The number of the connection that it came on.
    pub connection: u64,
    pub epoch: Option<u64>,
    /// The caller's name for the order.
    pub order: Option<String>,
}

/// Which release an order means.
#[derive(Debug)]
pub enum Target {
    /// One that is on the disk.
    Digest(Digest),
    /// The one that `prev` names.
    Previous,
    /// One that is being sent.
    Archive(Archive),
}

/// Why it cannot be told whether a release is kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is known of it.
    #[error(transparent)]
    ReleaseStates(#[from] StateFileError),
}

/// An archive that is being sent.
#[derive(Debug)]
pub struct Archive {
    /// Its bytes. A sender who goes away ends them with an error.
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// The digest that it must have. In multipart it may come after the bytes.
    pub digest: Arc<OnceLock<Digest>>,
    /// The sender's label for the release.
    pub label: Arc<OnceLock<String>>,
    /// That the updater itself is meant; in multipart it may come after the bytes.
    pub confirm_self: Arc<OnceLock<bool>>,
    /// How long the body is that it comes in, where the sender said.
    pub length: Option<u64>,
    /// Whether that body is the archive and nothing else.
    pub alone: bool,
    /// What came with it.
    pub presented: Presented,
}

/// What an order comes to before anything is touched.
#[derive(Debug)]
pub(super) enum Plan {
    /// A release that is on the disk is to be activated.
    Activate {
        digest: Digest,
        /// The manifest that vouches for it from now on.
        accepted: Option<Box<Accepted>>,
    },
    /// An archive has to be taken first: the one of this manifest, where signatures are asked for.
    Receive(Option<Box<Accepted>>),
    /// There is nothing to do.
    Current(Digest),
}

impl App {
    /// Decides what an order comes to. The lock is held; nothing has been touched.
    pub(super) fn plan(&self, order: &Order) -> Result<Plan, Problem> {
        if order.kind != Kind::SelfUpdate {
            // What cannot be found cannot be stopped: better told now than after the switch.
            self.runner()?.find().map_err(|error| internal(&error))?;
        }
        if self.hands_over(order.kind) {
            // So is what cannot be passed on.
            let prepared = self.handover()?.1.prepare();
            prepared.map_err(|error| Problem::new(Code::NotSupported, failed_to(&error)))?;
        }
        let facts = ReleaseStates::read(&self.files.facts()).map_err(|error| internal(&error))?;
        let accepted = self.vouched(&order.target, &facts)?;
        let digest = match &order.target {
            Target::Archive(archive) => archive.digest.get().copied(),
            Target::Digest(digest) => Some(self.kept(*digest)?),
            Target::Previous => Some(self.previous()?),
        };
        if let Some(digest) = digest {
            refuse_quarantined(&digest, &facts, order.options.retry_quarantined)?;
            if order.kind != Kind::Stage && !order.options.force && self.runs(&digest) {
                return Ok(Plan::Current(digest));
            }
            if self.is_kept(&digest).map_err(|error| internal(&error))? {
                return Ok(Plan::Activate { digest, accepted });
            }
        }
        if let Target::Archive(archive) = &order.target {
            let signed = accepted.as_ref().map(|accepted| accepted.manifest.archive_bytes);
            self.check_space(signed.or(archive.length))?;
        }
        Ok(Plan::Receive(accepted))
    }

    /// Whether a release is whole on the disk. Its own record is not enough: a build could have
    /// written one. What the updater itself found out must say so too, if it is not lost. A disk
    /// that does not say is an error, and no answer.
    pub fn is_kept(&self, digest: &Digest) -> Result<bool, KeptError> {
        let release = self.layout.release(digest);
        let facts = ReleaseStates::read(&self.files.facts())?;
        let known = if facts.is_empty() { is_sealed(&release)? } else { facts.whole(digest) };
        if !known {
            // Its record may be the build's, and a link or worse: it is not even looked at.
            return Ok(false);
        }
        match read_record(&release) {
            Err(RecordError::Absent(_)) => Ok(false),
            Err(error @ RecordError::Io { .. }) => Err(error.into()),
            Err(RecordError::Unusable(_)) | Ok(_) => Ok(true),
        }
    }

    /// The answer to an order for what runs already.
    pub(super) fn already_current(&self, digest: Digest) -> TransactionResult {
        TransactionResult {
            status: Answer::AlreadyCurrent,
            code: None,
            transaction: None,
            release: Some(self.slot_release("active", &digest)),
            from: Some(digest),
            to: Some(digest),
            probe: None,
            duration_ms: 0,
            problem: None,
        }
    }

    fn kept(&self, digest: Digest) -> Result<Digest, Problem> {
        if self.is_kept(&digest).map_err(|error| internal(&error))? {
            return Ok(digest);
        }
        let detail = format!("{} keeps no release {digest}; send its archive", self.name);
        Err(Problem::new(Code::UnknownRelease, detail))
    }

    fn previous(&self) -> Result<Digest, Problem> {
        let prev = self.layout.slot(Slot::Prev).map_err(|error| internal(&error))?;
        let facts = ReleaseStates::read(&self.files.facts()).map_err(|error| internal(&error))?;
        if let Some(prev) = prev.filter(|digest| !facts.failed_here(digest))
            && self.is_kept(&prev).map_err(|error| internal(&error))?
        {
            return Ok(prev);
        }
        let detail = format!("{} never ran another good release on this host", self.name);
        Err(Problem::new(Code::NoPreviousRelease, detail))
    }

    /// Whether `active` names the release *and* its agent runs. A dead agent is no reason to say
    /// that all is well.
    fn runs(&self, digest: &Digest) -> bool {
        if let Some(own) = &self.own {
            return own.digest == *digest;
        }
        let active = self.layout.slot(Slot::Active).ok().flatten();
        active == Some(*digest) && self.running_instance(digest).is_some()
    }

    fn check_space(&self, length: Option<u64>) -> Result<(), Problem> {
        if length.is_some_and(|length| length > self.limits.archive_bytes.0) {
            let limit = self.limits.archive_bytes;
            let detail = format!("it has {} bytes, the limit is {limit}", length.unwrap_or(0));
            return Err(Problem::new(Code::ArchiveTooLarge, detail));
        }
        let Some(free) = self.free_space() else { return Ok(()) };
        let needed = Space {
            bytes: length.unwrap_or(0).saturating_add(self.limits.reserve_bytes.0),
            inodes: self.limits.reserve_inodes,
        };
        if free.bytes >= needed.bytes && free.inodes >= needed.inodes {
            return Ok(());
        }
        let detail = format!(
            "{} has {} bytes and {} inodes free; {} bytes and {} inodes are needed",
            self.layout.install().display(),
            free.bytes,
            free.inodes,
            needed.bytes,
            needed.inodes
        );
        let problem = Problem::new(Code::NoSpace, detail);
        Err(Problem { needed: Some(needed), free: Some(free), ..problem })
    }

    /// How many bytes an archive may have, by what is free beyond the reserve; none if the disk does
    /// not say.
    pub(super) fn room(&self) -> Option<u64> {
        let free = self.free_space()?;
        let names = free.inodes >= self.limits.reserve_inodes;
        Some(if names { free.bytes.saturating_sub(self.limits.reserve_bytes.0) } else { 0 })
    }

    /// Before the first release the directory is not there; it will be on the same disk as its
    /// parent.
    fn free_space(&self) -> Option<Space> {
        self.layout.install().ancestors().find_map(|place| free_space(place).ok())
    }
}

/// A failure of the host itself, in full; a full disk is told apart.
pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
    let code = if is_no_space(error) { Code::NoSpace } else { Code::Internal };
    // What the system says alone does not say what was tried.
    let act = if error.is::<io::Error>() { "use the disk: " } else { "" };
    Problem::new(code, format!("failed to {act}{}", chain(error)))
}

/// A release that failed on this host before is taken again only when that is said.
pub(super) fn refuse_quarantined(
    digest: &Digest,
    facts: &ReleaseStates,
    retry: bool,
) -> Result<(), Problem> {
    if retry || !facts.quarantined(digest) { Ok(()) } else { Err(quarantined(digest, facts)) }
}

fn quarantined(digest: &Digest, facts: &ReleaseStates) -> Problem {
    let why = facts.get(digest).and_then(|fact| fact.failure.clone());
    let why = why.unwrap_or_else(|| "it could not be proven".to_owned());
    let detail =
        format!("{digest} failed on this host before ({why}); retry_quarantined takes it again");
    Problem { to: Some(*digest), ..Problem::new(Code::Quarantined, detail) }
}
