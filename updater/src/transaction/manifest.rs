//! Reading `release.toml` of a release, and saying whose fault it is if that fails.
//!
//! A build may have put anything in its place: no link is followed, nothing but a file is opened, and
//! only so much is read.

use std::io;
use std::path::Path;

use common::{chain, failed_to};
use protocol::{Code, Problem, ReleaseManifest};
use rustix::io::Errno;

use crate::sys::fs::read_plain;
use crate::transaction::Failure;

/// Bytes of a manifest, at most.
const MANIFEST_BYTES: u64 = 64 << 10;

/// Reads the manifest of a release's directory; one without any is an empty one.
pub(super) fn read_manifest(release: &Path) -> Result<ReleaseManifest, Failure> {
    let (file, rule) = (ReleaseManifest::FILE, "manifest");
    let text = read_plain(release, file, MANIFEST_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    let text = match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(ReleaseManifest::default());
        }
        text => text.map_err(|error| unread(file, rule, &error))?,
    };
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
