//! `drill.json`: the last drill, over restarts of the updater.

use std::path::{Path, PathBuf};

use common::{StateFileError, state_file};
use protocol::{DrillReport, FORMAT};

/// The last drill; `None` if there was none, or if a newer updater has written it.
pub fn read_last(state_dir: &Path) -> Result<Option<DrillReport>, StateFileError> {
    match state_file::read(&file(state_dir), FORMAT) {
        Err(StateFileError::Newer { .. }) => Ok(None),
        read => read,
    }
}

pub fn keep_last(state_dir: &Path, report: &DrillReport) -> Result<(), StateFileError> {
    state_file::write(&file(state_dir), report)
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("drill.json")
}
