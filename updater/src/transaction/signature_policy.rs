//! Whether a release may run here, where signatures are asked for.
//!
//! New bytes are taken only under a manifest that a trusted key has signed, which is checked before
//! the first of them. What is on the disk may be activated if it came under such a manifest, or
//! was proven here before: going back is always possible, and is in the history.

use std::error::Error;

use archive::{Received, Rule, UnpackError};
use protocol::{Code, Digest, Highest, Offer, Problem, SignatureError, SignatureRule};

use crate::release::Slot;
use crate::sys::wall_clock;
use crate::transaction::admission::{Target, internal};
use crate::transaction::{App, Archive, KeptError, ReleaseStates};
use crate::trust::{Accepted, raise_counter, read_counter};

impl App {
    /// Who vouches for an order's release: nothing where the host does not ask, or where the
    /// release is here and is vouched for already; else the manifest that came with it.
    pub(super) fn vouched(
        &self,
        target: &Target,
        facts: &ReleaseStates,
    ) -> Result<Option<Box<Accepted>>, Problem> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let (named, archive) = match target {
            Target::Archive(archive) => (archive.declared.digest, Some(archive)),
            Target::Digest(digest) => (Some(*digest), None),
            Target::Previous => {
                (self.layout.slot(Slot::Prev).map_err(|error| internal(&error))?, None)
            }
        };
        let kept = named.map(|digest| self.is_kept(&digest)).transpose();
        let kept = kept.map_err(|error| internal(&error))?.unwrap_or(false);
        match (named, archive) {
            (Some(digest), _) if kept && self.trusts(&digest, facts) => Ok(None),
            (_, Some(archive)) => self.accept(archive).map(Box::new).map(Some),
            (Some(digest), None) if kept => Err(never_signed(&digest).into()),
            // It is not here, which whoever looks for it will say.
            (_, None) => Ok(None),
        }
    }

    /// Whether a release is whole on the disk, and may be activated as it is.
    pub fn is_ready(&self, digest: &Digest) -> Result<bool, KeptError> {
        let kept = self.is_kept(digest)?;
        if !kept || self.keys.is_empty() {
            return Ok(kept);
        }
        Ok(self.trusts(digest, &ReleaseStates::read(&self.files.facts())?))
    }

    /// From now on a manifest vouches for its release, and none with a lower counter is taken.
    /// The counter comes first: with a crash in between, the same release is still taken.
    pub(super) fn adopt(&self, accepted: &Accepted) -> Result<(), Box<dyn Error>> {
        self.keep_counter(accepted)?;
        let path = self.files.facts();
        let mut facts = ReleaseStates::read(&path)?;
        facts.signed(accepted.manifest.digest, &accepted.key, wall_clock());
        Ok(facts.write(&path)?)
    }

    /// Keeps a manifest's counter. It is raised when the release is whole and built, and before it
    /// is one: a release that never came to be must not keep an older one out.
    pub(super) fn keep_counter(
        &self,
        accepted: &Accepted,
    ) -> Result<(), crate::trust::CounterError> {
        let (counter, digest) = (accepted.manifest.counter, accepted.manifest.digest);
        raise_counter(&self.files.counter(), Highest { counter, digest })
    }

    /// A key that is trusted no more vouches for nothing new.
    fn trusts(&self, digest: &Digest, facts: &ReleaseStates) -> bool {
        facts.get(digest).is_some_and(|fact| {
            let signed = fact.signed_by.as_ref().is_some_and(|key| self.keys.has(key));
            signed || fact.proven_at.is_some()
        })
    }

    /// Checks all that can be checked before the archive's first byte.
    fn accept(&self, archive: &Archive) -> Result<Accepted, Problem> {
        let accepted = self.keys.verify(&archive.presented)?;
        let manifest = &accepted.manifest;
        let offer = Offer {
            app: &self.name,
            digest: archive.declared.digest,
            length: archive.length.filter(|_| archive.alone),
            highest: read_counter(&self.files.counter()).map_err(|error| internal(&error))?,
        };
        manifest.check(&offer, wall_clock())?;
        for (rule, said, limit) in [
            (Rule::UnpackedBytes, manifest.unpacked_bytes, self.limits.unpacked_bytes.0),
            (Rule::Entries, manifest.entries, self.limits.entries),
        ] {
            if said > limit {
                let detail = format!("{rule}: the manifest says {said}, the limit is {limit}");
                let problem = Problem::new(Code::ArchiveRejected, detail);
                return Err(Problem { rule: Some(rule.code().to_owned()), ..problem });
            }
        }
        Ok(accepted)
    }
}

/// The rule of signed releases that an archive broke by being more than its manifest says.
pub(super) fn beyond_manifest(error: &UnpackError) -> Option<SignatureRule> {
    match error {
        UnpackError::TooLarge { .. } => Some(SignatureRule::WrongLength),
        UnpackError::Rejected { rule: Rule::UnpackedBytes, .. } => {
            Some(SignatureRule::UnpackedBytes)
        }
        UnpackError::Rejected { rule: Rule::Entries, .. } => Some(SignatureRule::Entries),
        _ => None,
    }
}

/// Whether a whole archive is exactly what its manifest says.
pub(super) fn check_received(
    accepted: &Accepted,
    received: &Received,
) -> Result<(), SignatureError> {
    let manifest = &accepted.manifest;
    for (rule, what, said, found) in [
        (SignatureRule::WrongLength, "bytes", manifest.archive_bytes, received.archive_bytes),
        (
            SignatureRule::UnpackedBytes,
            "unpacked bytes",
            manifest.unpacked_bytes,
            received.unpacked_bytes,
        ),
        (SignatureRule::Entries, "entries", manifest.entries, received.counted),
    ] {
        if said != found {
            let detail = format!("the manifest says {said} {what}, and the archive has {found}");
            return Err(SignatureError { rule, detail });
        }
    }
    Ok(())
}

fn never_signed(digest: &Digest) -> SignatureError {
    SignatureError {
        rule: SignatureRule::Unsigned,
        detail: format!(
            "{digest} is here, but no trusted key has signed it, and it was never proven here; send \
             its signed manifest with its archive"
        ),
    }
}
