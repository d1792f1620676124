//! What is kept of a failure, before anything is cleaned up: an operator never has to log in to a
//! host to learn why.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use common::state_file;
use protocol::{AppName, FORMAT, Phase, Problem, Space, TransactionId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::release::remove_tree;
use crate::sys::recorded_output::RecordedOutput;
use crate::transaction::Failure;
use crate::transaction::machine::Direction;

/// Failures that are kept, for each app.
const KEPT: usize = 20;
/// Probe answers that are kept of one failure.
const PROBES_KEPT: usize = 200;

/// Commands that are kept of one failure.
const COMMANDS_KEPT: usize = 20;

/// All that is known of one failed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of this format.
    pub format: u32,
    pub app: AppName,
    pub transaction: TransactionId,
    pub problem: Option<Problem>,
    /// Every state that was written to the journal.
    pub journal: Vec<Entered>,
    /// Every answer to the probe.
    pub probes: Vec<String>,
    /// The beginning of the last answer's body that did not pass, in lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<String>,
    /// Every hook and every command of a migration that was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Ran>,
    /// The beginning of what the build printed, its lines that tell of an error, and its end.
    pub build_output: Vec<String>,
    /// The file beside this one that has all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_log: Option<String>,
    /// The beginning of what the agent printed, its lines that tell of an error, and its end.
    pub agent_output: Vec<String>,
    /// The file beside this one that has all of it; of very much, its beginning and its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_log: Option<String>,
    /// How the agent's process ended, if it did.
    pub agent_exit: Option<String>,
    /// What was free on the disk.
    pub free: Option<Space>,
    /// The kernel's estimate of available memory, in bytes.
    pub memory_available: Option<u64>,
}

/// A command of the release that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Its key in `release.toml`.
    pub name: String,
    pub detail: String,
    /// The beginning of what it printed, its lines that tell of an error, and its end.
    pub output: Vec<String>,
    /// The file beside this one that has all of it, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entered {
    pub phase: Phase,
    pub direction: Direction,
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
}

impl Evidence {
    /// Nothing is known yet.
    pub fn new(app: AppName, transaction: TransactionId) -> Self {
        Self {
            format: FORMAT,
            app,
            transaction,
            problem: None,
            journal: Vec::new(),
            probes: Vec::new(),
            answer: Vec::new(),
            commands: Vec::new(),
            build_output: Vec::new(),
            build_log: None,
            agent_output: Vec::new(),
            agent_log: None,
            agent_exit: None,
            free: None,
            memory_available: None,
        }
    }

    /// What an earlier updater has kept of the same transaction.
    pub fn read(directory: &Path, transaction: &TransactionId) -> Option<Self> {
        state_file::read(&evidence_file(directory, transaction), FORMAT).ok().flatten()
    }

    /// Notes an answer to the probe. Of a very long watch, the first ones go.
    pub fn probe(&mut self, answer: String) {
        if self.probes.len() == PROBES_KEPT {
            self.probes.remove(0);
        }
        self.probes.push(answer);
    }

    /// Notes a command. Where one is run again and again, the first ones go.
    pub(in crate::transaction) fn command(&mut self, ran: Ran) {
        if self.commands.len() == COMMANDS_KEPT {
            self.commands.remove(0);
        }
        self.commands.push(ran);
    }

    /// Moves all that a failed build has printed beside it.
    pub(in crate::transaction) fn take_build_log(
        &mut self,
        log: &Path,
        directory: &Path,
    ) -> io::Result<()> {
        if self.build_output.is_empty() || !log.exists() {
            return Ok(());
        }
        fs::rename(log, self.prepare(directory)?.join(BUILD_LOG))?;
        self.build_log = Some(BUILD_LOG.to_owned());
        Ok(())
    }

    /// Moves all that a command has printed beside it, and says under which name.
    pub(in crate::transaction) fn take_command_log(
        &self,
        name: &str,
        log: &Path,
        directory: &Path,
    ) -> io::Result<String> {
        let own = self.prepare(directory)?;
        // On the way back it may be run again.
        let again =
            self.commands.iter().filter(|ran| ran.name == name && ran.log.is_some()).count();
        let file = match again {
            0 => format!("{name}.log"),
            again => format!("{name}-{}.log", again + 1),
        };
        fs::rename(log, own.join(&file))?;
        Ok(file)
    }

    /// Keeps what an agent has printed: what is shown of it, and all of it beside.
    pub(in crate::transaction) fn take_agent_output(
        &mut self,
        directory: &Path,
        print: impl FnOnce(&mut dyn FnMut(&str)),
    ) -> io::Result<()> {
        let mut output = RecordedOutput::in_file(&self.prepare(directory)?.join(AGENT_LOG));
        print(&mut |line| output.push(line));
        self.agent_output = output.shown();
        self.agent_log = output.flush().then(|| AGENT_LOG.to_owned());
        Ok(())
    }

    /// The directory of its own.
    fn prepare(&self, directory: &Path) -> io::Result<PathBuf> {
        let own = directory.join(self.transaction.as_str());
        fs::create_dir_all(&own)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        Ok(own)
    }

    /// Puts it on the disk, and lets the oldest of its kind go.
    pub fn keep(&self, directory: &Path) -> Result<(), Failure> {
        self.prepare(directory)?;
        state_file::write(&evidence_file(directory, &self.transaction), self)?;
        Ok(drop_oldest(directory)?)
    }
}

/// The name of the file that has all that a failed build printed.
const BUILD_LOG: &str = "build.log";
/// The name of the file that has all that the agent printed.
const AGENT_LOG: &str = "agent.log";

/// Where the evidence of a transaction lies.
pub fn evidence_file(directory: &Path, transaction: &TransactionId) -> PathBuf {
    directory.join(transaction.as_str()).join("evidence.json")
}

/// What `/proc/meminfo` says of available memory, in bytes.
pub(in crate::transaction) fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Transactions sort by time (UUID version 7), so the first names are the oldest.
fn drop_oldest(directory: &Path) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse::<TransactionId>().ok()));
    }
    names.sort_unstable();
    for name in names.iter().take(names.len().saturating_sub(KEPT)) {
        remove_tree(&directory.join(name.as_str()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_evidence_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let name = |number| format!("0190a5c2-6f00-7000-8000-{number:012}");
        for number in 0..=KEPT {
            let transaction = name(number).parse().unwrap();
            Evidence::new("agent".parse().unwrap(), transaction).keep(directory.path()).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), KEPT);
        assert!(!directory.path().join(name(0)).exists());
        assert!(evidence_file(directory.path(), &name(KEPT).parse().unwrap()).exists());
    }
}
