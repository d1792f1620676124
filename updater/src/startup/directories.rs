//! The directories of the state, made before anything is written there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use protocol::AppName;

use super::StartError;

/// Makes them. Evidence and journals are for the updater alone; builds pass through to their caches.
pub fn prepare_state_dir<'a>(
    state_dir: &Path,
    apps: impl Iterator<Item = &'a AppName>,
) -> Result<(), StartError> {
    let all = state_dir.join("apps");
    let each: Vec<_> = apps.map(|app| all.join(app.as_str())).collect();
    for directory in [state_dir, all.as_path()].into_iter().chain(each.iter().map(PathBuf::as_path))
    {
        fs::create_dir_all(directory)
            .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o711)))
            .map_err(|source| StartError::StateDirectory {
                directory: directory.to_owned(),
                source,
            })?;
    }
    Ok(())
}
