//! The words of `swarm rollout`.

use clap::{Args, Subcommand};
use engine::Request;
use explain::{Exit, Failure};
use protocol::Digest;

use crate::cli::Context;
use crate::cli::reason::reason;
use crate::cli::rollout::{answer, list, show, undo, watch};

/// What can be done with rollouts.
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// List the rollouts, the newest first
    List(list::ListArgs),
    /// Show where a rollout stands, host by host
    Show(show::ShowArgs),
    /// Follow a rollout until it rests
    Watch(Which),
    /// Agree to what a rollout waits for, and let it go on
    Approve {
        /// Which rollout.
        #[command(flatten)]
        decided: Decided,
        /// Only if this is its plan
        #[arg(long, value_name = "DIGEST")]
        digest: Option<Digest>,
    },
    /// Do not agree: the rollout ends, and hosts stay as they are
    Reject(Decided),
    /// Start no further host; those under way are waited for
    Pause(Which),
    /// Go on with a rollout that was paused, interrupted or killed
    Resume(Which),
    /// Go on though the breaker tripped: the failures so far do not count any more
    Continue(Decided),
    /// Take back every host that the rollout updated; a watch is not waited for
    Rollback(Which),
    /// End a rollout, and leave all hosts as they are; a watch is not waited for
    Abort(Decided),
    /// Take the hosts that a rollout changed back to what each ran before, one that is over too
    Undo(undo::UndoArgs),
}

/// One rollout.
#[derive(Debug, Args)]
pub struct Which {
    /// The rollout's id, or the end of it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// What is decided of a rollout.
#[derive(Debug, Args)]
pub struct Decided {
    /// Which one.
    #[command(flatten)]
    which: Which,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: Option<String>,
}

impl RolloutCommand {
    /// Opens the door.
    pub(in crate::cli) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let (decided, request) = match self {
            Self::List(arguments) => return arguments.run(context),
            Self::Show(arguments) => return arguments.run(context),
            Self::Undo(arguments) => return arguments.run(context),
            Self::Watch(which) => return watch::run(which, context),
            Self::Rollback(which) => {
                return answer::run(which, &Request::Rollback, None, context);
            }
            Self::Pause(which) => return answer::run(which, &Request::Pause, None, context),
            Self::Resume(which) => return answer::run(which, &Request::Resume, None, context),
            Self::Approve { decided, digest } => (decided, Request::Approve { digest: *digest }),
            Self::Reject(decided) => (decided, Request::Reject),
            Self::Continue(decided) => (decided, Request::Continue),
            Self::Abort(decided) => (decided, Request::Abort),
        };
        answer::run(&decided.which, &request, decided.because.as_deref(), context)
    }
}
