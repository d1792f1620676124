//! `links`: what of `shared/` appears in every release.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, Uid};

use crate::release::Layout;
use crate::sys::fs::{create_directory_at, names, open_directory, open_directory_at};

/// Why a link into `shared/` could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The shared thing is not there, and its name does not say that it is a directory.
    #[error(
        "link {name}: {shared} does not exist; create it, or write \"{name}/\" for a directory",
        shared = shared.display()
    )]
    Missing {
        /// As the configuration names it.
        name: String,
        /// Where it should be.
        shared: PathBuf,
    },
    /// The build made something at the place of the link.
    #[error("link {0}: the build made something of that name")]
    Occupied(String),
    #[error("link {name}")]
    Io {
        /// As the configuration names it.
        name: String,
        source: io::Error,
    },
}

/// Links every name of `names` from `shared/` into a release. A name that ends in `/` is a
/// directory, and is made if it is missing; `owner` is who gets it.
pub fn make_links(
    layout: &Layout,
    release: &Path,
    names: &[String],
    owner: Option<(u32, u32)>,
) -> Result<(), LinkError> {
    for name in names {
        let io = |source| LinkError::Io { name: name.clone(), source };
        let plain = name.trim_end_matches('/');
        let shared = layout.shared().join(plain);
        if !shared.exists() {
            if !name.ends_with('/') {
                return Err(LinkError::Missing { name: name.clone(), shared });
            }
            make_shared(&layout.shared(), plain, owner).map_err(io)?;
        }
        make_link(release, plain).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => LinkError::Occupied(name.clone()),
            _ => io(source),
        })?;
    }
    Ok(())
}

/// Makes a directory and gives it away. `shared/` itself may be a link of the host's owner; what is in
/// it may be the app's user's, who could put another thing in the place of what was made.
fn make_shared(shared: &Path, plain: &str, owner: Option<(u32, u32)>) -> io::Result<()> {
    let (parent, name) = enter_parent(&fs::canonicalize(shared)?, plain)?;
    rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
    let Some((user, group)) = owner else { return Ok(()) };
    let made = open_directory_at(&parent, name)?;
    if !names(&made, 1)?.is_empty() {
        return Err(io::ErrorKind::DirectoryNotEmpty.into());
    }
    Ok(rustix::fs::fchown(&made, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?)
}

fn make_link(release: &Path, plain: &str) -> io::Result<()> {
    let (directory, name) = enter_parent(release, plain)?;
    // From <install>/releases/store/<hex>/<plain> back up to <install>.
    let target = format!("../../../{}shared/{plain}", "../".repeat(plain.matches('/').count()));
    Ok(rustix::fs::symlinkat(target, &directory, name)?)
}

/// The directory that `plain` is in, below `top`, made if it is missing, and the name there. Walks by
/// handles, and through no link: what another user left on the way may lead elsewhere.
fn enter_parent<'a>(top: &Path, plain: &'a str) -> io::Result<(OwnedFd, &'a str)> {
    let mut directory = open_directory(top)?;
    let (above, name) = plain.rsplit_once('/').unwrap_or(("", plain));
    for part in above.split('/').filter(|part| !part.is_empty()) {
        directory = match create_directory_at(&directory, part, 0o755) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                open_directory_at(&directory, part)?
            }
            made => made?,
        };
    }
    Ok((directory, name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use protocol::Digest;

    use super::*;

    fn release() -> (tempfile::TempDir, Layout, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().join("agent"));
        layout.create().unwrap();
        let release = layout.release(&Digest::from_bytes([1; 32]));
        fs::create_dir(&release).unwrap();
        (directory, layout, release)
    }

    #[test]
    fn shared_files_and_directories_appear_in_the_release() {
        let (_directory, layout, release) = release();
        fs::write(layout.shared().join(".env"), "A=1").unwrap();
        let names = [".env".to_owned(), "data/".to_owned(), "var/log/x/".to_owned()];
        make_links(&layout, &release, &names, None).unwrap();
        assert_eq!(fs::read_to_string(release.join(".env")).unwrap(), "A=1");
        fs::write(release.join("var/log/x/line"), "x").unwrap();
        assert!(layout.shared().join("var/log/x/line").exists());
        assert!(release.join("data").is_dir());
    }

    #[test]
    fn a_missing_file_is_named_with_what_to_do() {
        let (_directory, layout, release) = release();
        let error = make_links(&layout, &release, &[".env".to_owned()], None).unwrap_err();
        assert!(error.to_string().contains("create it"), "{error}");
    }

    #[test]
    fn a_link_that_a_build_left_does_not_lead_out_of_the_release() {
        let (directory, layout, release) = release();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, release.join("var")).unwrap();
        assert!(make_links(&layout, &release, &["var/x/".to_owned()], None).is_err());
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn a_link_that_an_agent_left_in_shared_does_not_lead_out_of_it() {
        let (directory, layout, release) = release();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, layout.shared().join("var")).unwrap();
        assert!(make_links(&layout, &release, &["var/x/".to_owned()], None).is_err());
        assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    }

    #[test]
    fn what_is_made_in_shared_is_its_owners_wherever_shared_is() {
        let (directory, layout, release) = release();
        let elsewhere = directory.path().join("elsewhere");
        fs::rename(layout.shared(), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, layout.shared()).unwrap();
        let root = rustix::process::geteuid().is_root();
        let owner = root.then_some((4242, 4243));
        make_links(&layout, &release, &["var/x/".to_owned()], owner).unwrap();
        let made = elsewhere.join("var/x").metadata().unwrap();
        assert!(!root || (made.uid(), made.gid()) == (4242, 4243));
        assert!(release.join("var/x").is_dir());
    }

    #[test]
    fn what_a_build_made_is_not_overwritten() {
        let (_directory, layout, release) = release();
        fs::write(release.join("data"), "x").unwrap();
        let error = make_links(&layout, &release, &["data/".to_owned()], None).unwrap_err();
        assert!(matches!(error, LinkError::Occupied(_)), "{error}");
    }
}
