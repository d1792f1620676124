//! A release of this host, by its digest or the beginning of it.

use protocol::{Digest, Release};

use crate::cli::errors::CliError;

/// Why a word means no release.
#[derive(Debug, thiserror::Error)]
enum KeptReleaseError {
    #[error("find the release {0:?} on this host")]
    Unknown(String),
    #[error("find the release {0:?} on this host: several releases begin so")]
    Ambiguous(String),
}

/// The release that an operator means by `name`. A whole digest is taken as it is: what is not here, the
/// order refuses.
pub(super) fn find(name: &str, kept: &[Release]) -> Result<Digest, CliError> {
    if let Ok(digest) = name.parse() {
        return Ok(digest);
    }
    let mut found = kept.iter().filter(|release| release.digest.begins_with(name));
    match (found.next(), found.next()) {
        (Some(release), None) => Ok(release.digest),
        (Some(_), Some(_)) => Err(CliError::hint(
            KeptReleaseError::Ambiguous(name.to_owned()),
            "write more of its digest",
        )),
        (None, _) => {
            let kept: Vec<_> = kept.iter().map(|release| release.digest.short()).collect();
            let hint = if kept.is_empty() {
                "no release is kept here".to_owned()
            } else {
                format!("write four characters at least; kept here: {}", kept.join(", "))
            };
            Err(CliError::hint(KeptReleaseError::Unknown(name.to_owned()), hint))
        }
    }
}
