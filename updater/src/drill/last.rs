//! `drill.json`: the last drill, over restarts of the updater.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use protocol::{DrillReport, FORMAT};

use crate::sys::write_durably;

/// The last drill; `None` if there was none, or if a newer updater has written it.
pub fn read_last(state_dir: &Path) -> io::Result<Option<DrillReport>> {
    let text = match fs::read(file(state_dir)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let report: DrillReport = serde_json::from_slice(&text)?;
    Ok(Some(report).filter(|report| report.format <= FORMAT))
}

pub fn keep_last(state_dir: &Path, report: &DrillReport) -> io::Result<()> {
    write_durably(&file(state_dir), &serde_json::to_vec_pretty(report)?)
}

fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("drill.json")
}
