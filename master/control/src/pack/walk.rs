//! Every path below a directory, without following a link.

use std::path::Path;

use crate::interrupt::CancelToken;
use crate::pack::PackError;

/// What a walk found.
pub(super) struct WalkedFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// Whether it is a directory with nothing in it.
    pub(super) empty_directory: bool,
}

/// Files, links, special files and empty directories below `root`. A directory that `prune` names
/// is not entered.
pub(super) fn walk(
    root: &Path,
    cancel: &CancelToken,
    mut prune: impl FnMut(&str) -> bool,
) -> Result<Vec<WalkedFile>, PackError> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        let place = root.join(&directory);
        let mut empty = true;
        for entry in std::fs::read_dir(&place).map_err(PackError::read(&place))? {
            cancel.check()?;
            let entry = entry.map_err(PackError::read(&place))?;
            empty = false;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                let path = place.join(&name);
                PackError::refused(&path.to_string_lossy(), "its name is not UTF-8")
            })?;
            let path =
                if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
            let kind = entry.file_type().map_err(PackError::read(entry.path()))?;
            if !kind.is_dir() {
                found.push(WalkedFile { path, empty_directory: false });
            } else if !prune(&path) {
                open.push(path);
            }
        }
        if empty && !directory.is_empty() {
            found.push(WalkedFile { path: directory, empty_directory: true });
        }
    }
    Ok(found)
}
