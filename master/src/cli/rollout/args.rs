//! The words of `swarm rollout`.

use clap::{Args, Subcommand};
use engine::Request;
use explain::{Exit, Failure};
use protocol::Digest;
use store::Store;

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
    /// Follow a rollout until it ends or pauses
    Watch(Which),
    /// Approve what a rollout waits for
    Approve {
        /// Which rollout.
        #[command(flatten)]
        decided: Decided,
        /// Only if its plan has this digest, or one that begins so
        #[arg(long, value_name = "DIGEST")]
        digest: Option<String>,
    },
    /// Reject what a rollout waits for: it ends, and hosts stay as they are
    Reject(Decided),
    /// Start no further host; wait for those in progress
    Pause(Which),
    /// Continue a rollout that was paused, interrupted or killed
    Resume(Which),
    /// Continue although the breaker tripped; failures so far no longer count
    Continue(Decided),
    /// Return every host that the rollout updated, without waiting for watches
    Rollback(Which),
    /// End a rollout, and leave all hosts as they are, without waiting for watches
    Abort(Decided),
    /// Undo a rollout, even a finished one: its hosts return to what each ran before
    Undo(undo::UndoArgs),
}

/// One rollout.
#[derive(Debug, Args)]
pub struct Which {
    /// The rollout's id as lists show it, or four characters of its beginning or end
    #[arg(value_name = "ID")]
    pub id: String,
}

/// What is decided of a rollout.
#[derive(Debug, Args)]
pub struct Decided {
    /// Which one.
    #[command(flatten)]
    which: Which,
    /// The reason, for the history
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
            Self::Approve { decided, digest } => {
                let meant = |name: &String| meant_plan(name, &decided.which, &context.store);
                let digest = digest.as_ref().map(meant).transpose()?;
                (decided, Request::Approve { digest })
            }
            Self::Reject(decided) => (decided, Request::Reject),
            Self::Continue(decided) => (decided, Request::Continue),
            Self::Abort(decided) => (decided, Request::Abort),
        };
        answer::run(&decided.which, &request, decided.because.as_deref(), context)
    }
}

/// The plan that is meant by its digest or the beginning of it: the rollout's own, or another that is kept.
fn meant_plan(name: &str, which: &Which, store: &Store) -> Result<Digest, Failure> {
    let plan = store.find_rollout(&which.id)?.plan;
    match (plan.filter(|plan| plan.begins_with(name)), name.parse()) {
        (Some(plan), _) | (None, Ok(plan)) => Ok(plan),
        (None, Err(_)) => Ok(store.find_plan(name)?),
    }
}
