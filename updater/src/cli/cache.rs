//! `updater cache clean`: removes what the builds of an app have left besides its releases.

use protocol::AppName;

use crate::build::{clean_caches, size_of_caches};
use crate::cli::args::{CacheAct, CacheArgs};
use crate::cli::errors::CliError;
use crate::cli::status::cache_size;
use crate::cli::system::{failed_at, print};
use crate::config::Config;
use crate::transaction::{AppFiles, try_lock};

/// The host keeps no app of that name.
#[derive(Debug, thiserror::Error)]
#[error("find the app {0}")]
struct UnknownAppError(AppName);

/// What became of an app's cache.
#[derive(Debug, PartialEq, Eq)]
enum Cleaned {
    /// So many bytes were removed.
    Removed(u64),
    /// A transaction is under way, whose build may use it.
    InUse,
}

pub(super) fn cache(asked: &CacheArgs) -> Result<bool, CliError> {
    let CacheAct::Clean = asked.act;
    let config = Config::load(&asked.common.config)?;
    if let Some(unknown) = asked.app.as_ref().filter(|app| !config.apps.contains_key(*app)) {
        let hint = "the configuration has a section [app.NAME] for each";
        return Err(CliError::hint(UnknownAppError(unknown.clone()), hint));
    }
    let mut all = true;
    for app in config.apps.keys().filter(|app| asked.app.as_ref().is_none_or(|only| only == *app)) {
        let said = match clean(&AppFiles::new(&config.state_dir, app))? {
            Cleaned::Removed(0) => format!("{app}: its builds have left nothing\n"),
            Cleaned::Removed(bytes) => {
                format!("{app}: removed what its builds had left, {}\n", cache_size(bytes))
            }
            Cleaned::InUse => {
                all = false;
                format!("{app}: nothing is removed while an update is under way; try again later\n")
            }
        };
        print(&said)?;
    }
    Ok(all)
}

fn clean(files: &AppFiles) -> Result<Cleaned, CliError> {
    let builds = files.builds();
    if !builds.exists() {
        return Ok(Cleaned::Removed(0));
    }
    let Some(_lock) = try_lock(&files.lock()).map_err(failed_at("take the app's lock"))? else {
        return Ok(Cleaned::InUse);
    };
    let bytes = size_of_caches(&builds).unwrap_or(0);
    clean_caches(&builds).map_err(failed_at("remove what builds have left"))?;
    Ok(Cleaned::Removed(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_cache_is_not_removed_below_a_build() {
        let state = tempfile::tempdir().unwrap();
        let files = AppFiles::new(state.path(), &"agent".parse().unwrap());
        assert_eq!(clean(&files).unwrap(), Cleaned::Removed(0));
        let wheel = files.builds().join("caches/pip/wheel");
        fs::create_dir_all(wheel.parent().unwrap()).unwrap();
        fs::write(&wheel, [7; 5000]).unwrap();
        let lock = try_lock(&files.lock()).unwrap();
        assert_eq!(clean(&files).unwrap(), Cleaned::InUse);
        assert!(wheel.exists());
        drop(lock);
        assert!(matches!(clean(&files).unwrap(), Cleaned::Removed(5000..)));
        assert!(!wheel.exists());
    }
}
