//! What `swarm why` answers, in fields and in a line.

use protocol::{AppName, Digest, HostName};
use serde::Serialize;
use store::RolloutId;

use crate::fleet::{AppStatus, Missed};

/// The answer for one app, or for a host as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    pub host: HostName,
    #[serde(flatten)]
    pub about: Subject,
    /// All of it in words.
    pub line: String,
    /// What is shown of what the build, a command and the agent of a failed transaction printed.
    pub output: Vec<String>,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Subject {
    /// An app, as `swarm status` has it.
    App {
        #[serde(flatten)]
        status: Box<AppStatus>,
        /// What follows what is under way there.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<&'static str>,
    },
    Host(Box<HostAnswer>),
}

/// What is so of a host as a whole: that it could not be asked, that it is left out, or that a rollout has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostAnswer {
    /// Always null.
    pub app: (),
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The rollout that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
    /// What it does there, or waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// What it should run, and how it came to miss that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
}

impl Why {
    /// About the host as a whole.
    pub fn of_host(host: &HostName, about: HostAnswer, line: String) -> Self {
        let about = Subject::Host(Box::new(about));
        Self { host: host.clone(), about, line, output: Vec::new() }
    }

    /// The app that it is about; absent where the host could not be asked.
    pub fn app(&self) -> Option<&AppName> {
        match &self.about {
            Subject::App { status, .. } => Some(&status.app),
            Subject::Host(_) => None,
        }
    }
}
