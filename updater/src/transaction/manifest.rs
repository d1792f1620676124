//! Reading `release.toml` of a release, and saying whose fault it is if that fails.
//!
//! A build may have put anything in its place: no link is followed, nothing but a file is opened, and
//! only so much is read.

use std::io;
use std::path::Path;

use common::{chain, failed_to};
use protocol::{Code, Problem, ReleaseManifest};
use rustix::io::Errno;

use crate::transaction::Failure;

/// Reads the manifest of a release's directory; one without any is an empty one.
pub(super) fn read_manifest(release: &Path) -> Result<ReleaseManifest, Failure> {
    let (file, rule) = (ReleaseManifest::FILE, "manifest");
    let text = archive::manifest_of_tree(release).map_err(|error| unread(file, rule, &error))?;
    let Some(text) = text else { return Ok(ReleaseManifest::default()) };
    ReleaseManifest::parse(&text).map_err(|error| rejected(file, rule, failed_to(&error)))
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
