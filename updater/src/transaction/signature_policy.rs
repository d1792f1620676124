//! Whether a release may run here, where signatures are asked for.
//!
//! New bytes are taken only under a manifest that a trusted key has signed, which is checked before
//! the first of them. What is on the disk may be activated if it came under such a manifest, or
//! was proven here before: going back is always possible, and is in the history.

use archive::{Received, Rule, UnpackError};
use protocol::{Code, Digest, Highest, Offer, Problem, SignatureError, SignatureRule};

use super::{AppSettings, Archive, Failure, ReleaseStates, Target};
use crate::release::Slot;
use crate::sys::wall_clock;
use crate::trust::{CounterError, VerifiedManifest, raise_counter, read_counter};

impl AppSettings {
    /// The signed manifest under which an order's release may run. None where the host does not ask for
    /// signatures, or where the release is here and may run already; else the one that came with it.
    pub(super) fn check_signature(
        &self,
        target: &Target,
        states: &ReleaseStates,
    ) -> Result<Option<Box<VerifiedManifest>>, Failure> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let (named, archive) = match target {
            Target::Archive(archive) => (archive.declared.digest, Some(archive)),
            Target::Digest(digest) => (Some(*digest), None),
            Target::Previous => (self.layout.slot(Slot::Prev)?, None),
        };
        let kept = named.map(|digest| self.is_kept(&digest)).transpose()?.unwrap_or(false);
        match (named, archive) {
            (Some(digest), _) if kept && self.is_trusted(&digest, states) => Ok(None),
            (_, Some(archive)) => self.verify(archive).map(Box::new).map(Some),
            (Some(digest), None) if kept => Err(never_signed(&digest).into()),
            // It is not here, which the admission will say.
            (_, None) => Ok(None),
        }
    }

    /// From now on a release may run under its manifest, and none with a lower counter is taken.
    /// The counter comes first: with a crash in between, the same release is still taken.
    pub(super) fn record_signature(&self, signed: &VerifiedManifest) -> Result<(), Failure> {
        self.keep_counter(signed)?;
        let digest = signed.manifest.digest;
        let now = wall_clock();
        Ok(self.change_release_states(|states| states.signed(digest, &signed.key, now))?)
    }

    /// Keeps a manifest's counter. It is raised when the release is whole and built, and before it
    /// is one: a release that never came to be must not keep an older one out.
    pub(super) fn keep_counter(&self, signed: &VerifiedManifest) -> Result<(), CounterError> {
        let (counter, digest) = (signed.manifest.counter, signed.manifest.digest);
        raise_counter(&self.files.counter(), Highest { counter, digest })
    }

    /// Checks all that can be checked before the archive's first byte.
    fn verify(&self, archive: &Archive) -> Result<VerifiedManifest, Failure> {
        let signed = self.keys.verify(&archive.presented)?;
        let manifest = &signed.manifest;
        let offer = Offer {
            app: &self.name,
            digest: archive.declared.digest,
            length: archive.length.filter(|_| archive.alone),
            highest: read_counter(&self.files.counter())?,
        };
        manifest.check(&offer, wall_clock())?;
        for (rule, said, limit) in [
            (Rule::UnpackedBytes, manifest.unpacked_bytes, self.limits.unpacked_bytes.0),
            (Rule::Entries, manifest.entries, self.limits.entries),
        ] {
            if said > limit {
                let detail = format!("{rule}: the manifest says {said}, the limit is {limit}");
                let problem = Problem::new(Code::ArchiveRejected, detail);
                return Err(Problem { rule: Some(rule.code().to_owned()), ..problem }.into());
            }
        }
        Ok(signed)
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
    signed: &VerifiedManifest,
    received: &Received,
) -> Result<(), SignatureError> {
    let manifest = &signed.manifest;
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
