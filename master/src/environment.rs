//! What this process finds in its environment. It is read here, once, and nowhere else: what needs
//! some of it gets that. The variables that stand for an argument are clap's, and in `--help`.

use std::ffi::OsString;
use std::path::PathBuf;

use common::TerminalEnvironment;
use control::home::HomeEnvironment;
use control::rollout::RolloutEnvironment;

/// After which kept event of a rollout this process dies, as in a power cut: 1 for the first. For
/// tests.
const CRASH_AFTER_EVENT: &str = "SWARM_CRASH_AFTER_EVENT";

/// What decides how a terminal is written to.
pub fn terminal_environment() -> TerminalEnvironment {
    TerminalEnvironment::of(|name| std::env::var_os(name))
}

/// All that `swarm` takes from it.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The home that `SWARM_HOME` names, for what runs before the command line is read.
    pub named_home: Option<PathBuf>,
    /// What decides where the master's home is.
    pub home: HomeEnvironment,
    /// What hooks are given, and where a test has the process die.
    pub rollout: RolloutEnvironment,
    /// The user who called `sudo`.
    pub sudo_user: Option<String>,
    /// The names of git's own variables.
    pub git_variables: Vec<OsString>,
}

impl Environment {
    /// Reads that of this process.
    pub fn read() -> Self {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let text = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let names = std::env::vars_os().map(|(name, _)| name);
        let user_home = path("HOME");
        Self {
            named_home: path("SWARM_HOME"),
            home: HomeEnvironment {
                root: nix::unistd::geteuid().is_root(),
                data_home: path("XDG_DATA_HOME").filter(|path| path.is_absolute()),
                user_home: user_home.clone(),
            },
            rollout: RolloutEnvironment {
                user_home,
                crash_after_event: text(CRASH_AFTER_EVENT).and_then(|text| text.parse().ok()),
            },
            sudo_user: text("SUDO_USER"),
            git_variables: names
                .filter(|name| name.as_encoded_bytes().starts_with(b"GIT_"))
                .collect(),
        }
    }
}
