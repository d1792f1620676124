//! What can go wrong with a rollout as a whole. What goes wrong on a host is its row.

use engine::{Pause, RequestError};
use explain::{Exit, Explain, when};
use store::{Locked, Quarantined, RolloutId, StoreError};

use crate::fleet::FleetError;
use crate::rollout::SourceError;
use protocol::Digest;

/// Why a rollout did not begin, or did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// What happens can't be written down.
    #[error("write down what happens in the rollout")]
    Store(#[from] StoreError),
    /// The hosts can't be asked.
    #[error("reach the fleet")]
    Fleet(#[from] FleetError),
    /// An archive is not there any more.
    #[error("find what the rollout sends")]
    Source(#[from] SourceError),
    /// Its plan or its events are not understood.
    #[error("read the rollout as it was written down")]
    Unreadable(#[source] serde_json::Error),
    /// An older swarm wrote it.
    #[error("go on with the rollout {0}: a swarm without a journal wrote it, and it is over")]
    TooOld(RolloutId),
    /// Another process drives it now.
    #[error("go on with the rollout {0}: another process has taken it over")]
    LeaseLost(RolloutId),
    /// Another process drives it.
    #[error("go on with the rollout {rollout}: {driver} does already")]
    Driven {
        rollout: RolloutId,
        /// Who, and with which process.
        driver: String,
    },
    /// Some hosts are in another rollout.
    #[error("begin: {} in the rollout {}", named(.0), .0.rollout)]
    Locked(Locked, #[source] Holder),
    /// What was asked for means nothing now.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// The release failed before.
    #[error(
        "send {release}: it failed on {} ({}) in the rollout {}, and is quarantined since {}",
        .at.host, .at.why, .at.rollout, when(.at.since)
    )]
    Quarantined { release: Digest, at: Box<Quarantined> },
    /// No host has the label.
    #[error("spread over {0:?}: no host that was selected has such a label")]
    NoDomains(String),
}

/// The rollout that has the hosts: who started it, where it stands, and until when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Holder {
    pub(super) words: String,
    /// Whether no process drives it, though it is not at rest.
    pub left: bool,
}

fn named(locked: &Locked) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> = locked.hosts.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = locked.hosts.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let verb = if locked.hosts.len() == 1 { "is" } else { "are" };
    format!("{}{more} {verb}", names.join(", "))
}

impl Explain for RolloutError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked(locked, Holder { left: true, .. }) => Some(format!(
                "go on with it: swarm rollout resume {id}; or take back what it did: swarm rollout \
                 rollback {id}; or leave all as it is: swarm rollout abort {id}",
                id = locked.rollout
            )),
            Self::Locked(locked, _) => Some(format!(
                "wait for it with --wait 10m, or see: swarm rollout show {}",
                locked.rollout
            )),
            Self::Quarantined { release, .. } => Some(format!(
                "send a repaired one; or, if the fault was elsewhere, lift it with: swarm release \
                 forgive {} --because TEXT",
                release.short()
            )),
            Self::Refused(RequestError::NeedsDecision(
                Pause::Tripped(_) | Pause::Unclear { .. },
            )) => Some("say how: swarm rollout continue, rollback or abort".to_owned()),
            Self::Store(error) => error.hint(),
            Self::Source(error) => error.hint(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Locked(..) | Self::Driven { .. } => Exit::Locked,
            Self::NoDomains(_) => Exit::Usage,
            Self::Source(error) => error.exit(),
            Self::Store(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}
