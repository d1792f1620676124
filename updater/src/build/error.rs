//! Why a release could not be built.

use std::io;

use protocol::{Bytes, Period, Space};

use super::environment::how_to_get;
use crate::sys::job::RunError;
use crate::sys::user::UserError;

/// Why a release could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The directories around it could not be made.
    #[error("make the directories of the build")]
    Workspace(#[source] io::Error),
    /// The updater's own user could not be looked up.
    #[error("find the user of the build")]
    User(#[source] UserError),
    /// The host lacks a tool.
    #[error("build the release: {tool} is not in the PATH ({path}){needed}: {hint}", needed = needed_by(lock.as_deref()), hint = what_to_do(tool, lock.as_deref()))]
    NoTool {
        tool: String,
        /// Where it was looked for.
        path: String,
        /// The lock file that only this tool reads.
        lock: Option<String>,
        /// What the commands before it said.
        tail: Vec<String>,
    },
    /// The host's tool is of another version than the release wants.
    #[error(
        "build the release: this host has {program} {found}, and {said} asks for {wanted}: install such a version \
         on this host, or name its directory in build_env (PATH)"
    )]
    WrongVersion {
        program: &'static str,
        found: String,
        wanted: String,
        /// Where the release says it.
        said: &'static str,
        /// What the commands before it said.
        tail: Vec<String>,
    },
    /// A command ended, and not well.
    #[error("build the release: `{command}` {how}")]
    Failed {
        command: String,
        how: String,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// The build took too long, and was ended.
    #[error("build the release within {timeout}: `{command}` was ended")]
    TimedOut {
        /// The command that ran then.
        command: String,
        timeout: Period,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// The build wrote too much, and was ended.
    #[error("build the release within {limit} of output: `{command}` was ended")]
    TooMuchOutput {
        /// The command that ran then.
        command: String,
        limit: Bytes,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// The build left no room on the disk, and was ended.
    #[error(
        "build the release: `{command}` was ended, as {} are free on its disk and {} have to stay free \
         (limits.reserve_bytes){}",
        Bytes(.free.bytes).about(), Bytes(.needed.bytes).about(), inodes(*.needed, *.free)
    )]
    NoRoom {
        /// The command that ran then.
        command: String,
        /// What must stay free.
        needed: Space,
        free: Space,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// The user has as many processes as it may have, before the build has any.
    #[error(
        "run `{command}`: the user {user} has {limit} processes and threads already, or more; \
         raise build_processes"
    )]
    TooManyProcesses {
        command: String,
        /// The user of the build.
        user: String,
        limit: u64,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// The caller asked for the build to be ended.
    #[error("build the release: `{command}` was ended, as was asked for")]
    Stopped {
        /// The command that ran then.
        command: String,
        /// What is shown of the output.
        tail: Vec<String>,
    },
    /// A command could not be started, or not followed to its end.
    #[error("run `{command}`")]
    Run {
        command: String,
        source: RunError,
        /// What is shown of the output.
        tail: Vec<String>,
    },
}

impl BuildError {
    /// Whether the lack of a network may be behind it.
    pub const fn may_lack_network(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::TimedOut { .. })
    }

    /// What is shown of the build's output.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Workspace(_) | Self::User(_) => &[],
            Self::NoTool { tail, .. }
            | Self::WrongVersion { tail, .. }
            | Self::Failed { tail, .. }
            | Self::TimedOut { tail, .. }
            | Self::TooMuchOutput { tail, .. }
            | Self::NoRoom { tail, .. }
            | Self::TooManyProcesses { tail, .. }
            | Self::Stopped { tail, .. }
            | Self::Run { tail, .. } => tail,
        }
    }
}

/// Where it is inodes that ran out.
fn inodes(needed: Space, free: Space) -> String {
    if free.inodes >= needed.inodes {
        return String::new();
    }
    format!("; of inodes {} and {} (limits.reserve_inodes)", free.inodes, needed.inodes)
}

fn needed_by(lock: Option<&str>) -> String {
    lock.map(|lock| format!(", and {lock} needs it")).unwrap_or_default()
}

fn what_to_do(tool: &str, lock: Option<&str>) -> String {
    let get = how_to_get(tool);
    match lock {
        Some(lock) => format!(
            "{get}; or the release says `lock = \"ignore\"` in [build], and is built without {lock}"
        ),
        None => get.to_owned(),
    }
}
