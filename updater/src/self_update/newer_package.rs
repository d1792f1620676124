//! A package that was installed after an updater was pushed: the pushed one runs on, and a fix that the package
//! brought does not.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use protocol::Digest;

use super::executable::{PROGRAM, hash_file};
use crate::release::{Layout, read_record};

/// The program of the package.
pub const PACKAGED: &str = "/usr/bin/updater";

/// What an operator is told where the package's program is newer than what was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerPackage(String);

impl NewerPackage {
    /// Looks at the program of the package, if there is one, beside the release that runs. What cannot be
    /// read is no newer one.
    pub fn find(layout: &Layout, running: &Digest, packaged: &Path) -> Option<Self> {
        is_newer(layout, running, packaged).unwrap_or(false).then(|| {
            Self(format!(
                "{} was installed after the updater that was pushed, and does not run: push it too, with \
                 swarm update --include-self",
                packaged.display()
            ))
        })
    }

    pub fn warning(&self) -> &str {
        &self.0
    }
}

fn is_newer(layout: &Layout, running: &Digest, packaged: &Path) -> io::Result<bool> {
    let release = layout.release(running);
    let placed = read_record(&release).map_err(io::Error::other)?.installed_at;
    // When the file was put there; its own date is that of its build.
    if fs::metadata(packaged)?.ctime() <= placed.unix_timestamp() {
        return Ok(false);
    }
    let pushed = hash_file(&release.join(PROGRAM))?;
    // What a package brought has its program's digest, and gives way to the next package.
    Ok(pushed != *running && pushed != hash_file(packaged)?)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::release::{NameLength, write_record};
    use crate::self_update::OwnExecutable;

    #[test]
    fn a_package_that_came_after_the_push_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("updater"));
        let packaged = directory.path().join("packaged");
        let told = |running| NewerPackage::find(&layout, running, &packaged).is_some();
        fs::write(&packaged, "a package's").unwrap();
        let own = OwnExecutable { digest: hash_file(&packaged).unwrap(), path: packaged.clone() };
        let long_ago = OffsetDateTime::UNIX_EPOCH;
        own.seed(&layout, NameLength::Short, long_ago, || Ok(())).unwrap();
        fs::write(&packaged, "a newer package's").unwrap();
        assert!(!told(&own.digest), "the package is followed");

        let digest = Digest::from_bytes([7; 32]);
        let release = layout.name(&digest, NameLength::Short).unwrap();
        let seeded = layout.release(&own.digest);
        fs::create_dir_all(release.join("bin")).unwrap();
        fs::write(release.join(PROGRAM), "a pushed one").unwrap();
        let mut record = read_record(&seeded).unwrap();
        record.digest = digest;
        write_record(&release, &record).unwrap();
        assert!(told(&digest));
        fs::write(&packaged, "a pushed one").unwrap();
        assert!(!told(&digest), "it runs, by another name");
        fs::write(&packaged, "a newer package's").unwrap();
        record.installed_at = OffsetDateTime::from_unix_timestamp(9_000_000_000).unwrap();
        write_record(&release, &record).unwrap();
        assert!(!told(&digest), "it was pushed after the package");
    }
}
