//! Reading what a release says of itself, and saying whose fault it is if that fails.
//!
//! A build may have put anything in its place: no link is followed, nothing but a file is opened, and
//! only so much is read.

use std::io;
use std::path::Path;

use archive::ManifestText;
use common::{chain, failed_to};
use protocol::{Code, Problem, ReleaseManifest};
use rustix::io::Errno;

use crate::transaction::Failure;

const RULE: &str = "manifest";

/// Reads the manifest of a release's directory; one without any is an empty one. What it is called, its
/// project says where the manifest does not.
pub(super) fn read_manifest(release: &Path) -> Result<ReleaseManifest, Failure> {
    let found = archive::manifest_of_tree(release)
        .map_err(|error| unread(error.file, RULE, &error.source))?;
    let mut manifest = match found {
        None => ReleaseManifest::default(),
        Some(ManifestText { file, text }) => ReleaseManifest::read(file, &text)
            .map_err(|error| rejected(file, RULE, failed_to(&error)))?
            .manifest(),
    };
    if manifest.name.is_none() || manifest.version.is_none() {
        let identity = archive::identity_of_tree(release, |_| true);
        manifest.name = manifest.name.or(identity.name);
        manifest.version = manifest.version.or(identity.version);
    }
    Ok(manifest)
}

/// A file of a release that cannot be read. That it is there, is a file and no link, and holds text
/// is the release's to see to. The disk is not.
pub(super) fn unread(entry: &str, rule: &str, error: &io::Error) -> Failure {
    use Errno as E;
    match Errno::from_io_error(error) {
        None
        | Some(E::NOENT | E::NOTDIR | E::LOOP | E::XDEV | E::NXIO | E::INVAL | E::NAMETOOLONG) => {
            rejected(entry, rule, format!("failed to read {entry}: {}", chain(error)))
        }
        Some(_) => Failure::host(error),
    }
}

fn rejected(entry: &str, rule: &str, detail: String) -> Failure {
    let problem = Problem::new(Code::ArchiveRejected, detail);
    let (entry, rule) = (Some(entry.to_owned()), Some(rule.to_owned()));
    Failure::host_problem(Problem { entry, rule, ..problem })
}
