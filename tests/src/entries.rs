//! What is in a directory: names, kinds, modes, bytes and targets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use protocol::Digest;
use sha2::{Digest as _, Sha256};

/// What is at a path. Times, owners and what is attached ([`extended_attributes`]) do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory with these permissions.
    Directory(u32),
    /// A file with these permissions and a content of that digest.
    File(u32, Digest),
    /// A symbolic link to this.
    Link(PathBuf),
    /// A device, a FIFO or a socket.
    Special,
}

/// All that is in `root`, by its path there, but for what `left_out` names and what is below that.
///
/// # Errors
/// When it cannot be read.
pub fn entries_below(root: &Path, left_out: &[PathBuf]) -> Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if left_out.contains(&path) {
                continue;
            }
            let what = look(&path).with_context(|| path.display().to_string())?;
            found.insert(path.strip_prefix(root)?.to_owned(), what.clone());
            if matches!(what, Entry::Directory(_)) {
                directories.push(path);
            }
        }
    }
    Ok(found)
}

/// The names of the ACLs, capabilities and other extended attributes of what is at a path, without
/// following it. Those that this machine's security module gives to everything do not count.
///
/// # Errors
/// When they cannot be read.
pub fn extended_attributes(path: &Path) -> Result<Vec<String>> {
    let mut names = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut names[..])
        .with_context(|| format!("what is attached to {}", path.display()))?;
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(names.filter(|name| !["security.selinux", "security.SMACK64"].contains(&&**name)).collect())
}

fn look(path: &Path) -> Result<Entry> {
    let status = path.symlink_metadata()?;
    let mode = status.mode() & 0o7777;
    let kind = status.file_type();
    Ok(if kind.is_dir() {
        Entry::Directory(mode)
    } else if kind.is_file() {
        Entry::File(mode, Digest::from_bytes(Sha256::digest(fs::read(path)?).into()))
    } else if kind.is_symlink() {
        Entry::Link(fs::read_link(path)?)
    } else {
        Entry::Special
    })
}
