//! Agents of apps that the configuration does not have any more: they run on, and nothing looks after them.

use std::fs;
use std::path::Path;

use common::state_file;
use protocol::{AppName, FORMAT, SELF_APP};

use super::record::Record;
use crate::config::Config;
use crate::sys::process::ProcessId;

/// An agent that runs on without an app.
#[derive(Debug, Clone)]
pub struct LeftAgent {
    app: AppName,
    leader: ProcessId,
}

impl LeftAgent {
    /// What an operator is told; `None` once it has ended.
    pub fn warning(&self) -> Option<String> {
        self.leader.is_alive().then(|| {
            let Self { app, leader } = self;
            format!(
                "the agent of {app} runs on as process {}, and updater.toml has no app of that name: put \
                 it back, and say `updater stop --app {app}` first",
                leader.pid
            )
        })
    }
}

/// Those that live. What cannot be read is none.
pub fn left_agents(config: &Config) -> Vec<LeftAgent> {
    let entries = fs::read_dir(config.state_dir.join("apps")).into_iter().flatten().flatten();
    let left = |entry: fs::DirEntry| {
        let app: AppName = entry.file_name().to_str()?.parse().ok()?;
        if app.as_str() == SELF_APP || config.apps.contains_key(&app) {
            return None;
        }
        let leader = leader(&entry.path())?;
        leader.is_alive().then_some(LeftAgent { app, leader })
    };
    entries.filter_map(left).collect()
}

fn leader(state: &Path) -> Option<ProcessId> {
    let record: Record = state_file::read(&state.join("instance.json"), FORMAT).ok()??;
    record.living_leader().ok()?
}
