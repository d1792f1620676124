//! What can go wrong with a rollout as a whole. What goes wrong on a host is its row.

use std::collections::BTreeMap;

use engine::{Pause, RequestError};
use explain::{Exit, Explain, FailureCode, when};
use store::{Locked, Quarantined, RolloutId, StoreError};

use crate::fleet::FleetError;
use crate::rollout::SourceError;
use protocol::{AppName, Digest, HostName, Period};

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
        "send {release}: it failed on {} ({}) in the rollout {}, and is quarantined for the whole \
         fleet since {}",
        .at.host, .at.why, .at.rollout, when(.at.since)
    )]
    Quarantined { release: Digest, at: Box<Quarantined> },
    /// Hosts allow less.
    #[error("watch for {watch}: {}", .hosts.iter().map(|(host, longest)| format!("{host} allows {longest} at most")).collect::<Vec<_>>().join(", "))]
    WatchTooLong { watch: Period, hosts: Vec<(HostName, Period)> },
    /// A plain rollback would take hosts to different releases.
    #[error("go back: the hosts would go to different releases: {}", targets(.0))]
    Uneven(BTreeMap<Digest, Vec<HostName>>),
    /// Hosts took their last release back by themselves: a rollback would take them one further.
    #[error("go back: there is nothing to take back{}: {} already went back by {}", on_some(.hosts, *.of), names(.hosts), themselves(.hosts))]
    WentBack { hosts: Vec<HostName>, of: usize },
    /// Hosts went back before: what they ran before that is the way forward.
    #[error("go back: {} went back before, and would go forward again", names(.0))]
    Forward(Vec<HostName>),
    /// Another copy of this master, or this one before it was restored, has given orders since.
    #[error("give orders: {host} has seen the epoch {seen}, and this master's is {epoch}")]
    Superseded { host: HostName, seen: u64, epoch: u64 },
    /// Every host of the rollout came to what was asked, or was left out.
    #[error("find hosts that failed in the rollout {0}: there are none in the fleet")]
    NoneFailed(RolloutId),
    /// A host says what no copy of this master can have come to.
    #[error(
        "give orders: {host} says that it has seen the epoch {seen}, to which no copy of this master (epoch {epoch}) can have come"
    )]
    ImplausibleEpoch { host: HostName, seen: u64, epoch: u64 },
    /// The rollout changed no host.
    #[error("undo the rollout {0}: it changed no host")]
    NothingToUndo(RolloutId),
    /// The store failed while hosts had their orders.
    #[error("write down what happens in the rollout: {under_way}")]
    CutShort {
        rollout: RolloutId,
        /// What goes on, on which hosts.
        under_way: String,
        source: StoreError,
    },
    /// None of the hosts that answered has the app.
    #[error("begin: no host has an app {app} ({})", has_apps(.found))]
    UnknownApp {
        app: AppName,
        /// How many hosts have which app.
        found: BTreeMap<AppName, usize>,
    },
    /// No host has the label.
    #[error("spread over {0:?}: no host that was selected has such a label")]
    NoDomains(String),
}

/// The rollout that has the hosts: who started it, where it stands, and until when.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Holder {
    pub(super) words: String,
    pub(super) way_on: WayOn,
}

/// How a rollout that has hosts comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayOn {
    /// By itself.
    Wait,
    /// No process drives it; it has to be resumed.
    Resume,
    /// It waits for an operator's decision, and is not simply resumed.
    Decide,
}

impl Holder {
    /// Whether it does not come to its end by itself.
    pub fn awaits_operator(&self) -> bool {
        self.way_on != WayOn::Wait
    }
}

fn named(locked: &Locked) -> String {
    let verb = if locked.hosts.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names(&locked.hosts))
}

/// The first of them by their names, and how many more there are.
fn names(hosts: &[HostName]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<_> = hosts.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = hosts.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", names.join(", "))
}

/// On how many of them, where it is not all.
fn on_some(hosts: &[HostName], of: usize) -> String {
    if hosts.len() == of { String::new() } else { format!(" on {} of {of}", hosts.len()) }
}

const fn themselves(hosts: &[HostName]) -> &'static str {
    if hosts.len() == 1 { "itself" } else { "themselves" }
}

/// `12 have agent, 3 have worker`.
fn has_apps(found: &BTreeMap<AppName, usize>) -> String {
    let has = |(app, count): (&AppName, &usize)| match count {
        1 => format!("1 has {app}"),
        count => format!("{count} have {app}"),
    };
    found.iter().map(has).collect::<Vec<_>>().join(", ")
}

fn targets(targets: &BTreeMap<Digest, Vec<HostName>>) -> String {
    let target = |(digest, hosts): (&Digest, &Vec<HostName>)| {
        format!("{} to {}", names(hosts), digest.short())
    };
    targets.iter().map(target).collect::<Vec<_>>().join("; ")
}

impl Explain for RolloutError {
    fn code(&self) -> FailureCode {
        match self {
            Self::Store(error) | Self::CutShort { source: error, .. } => error.code(),
            Self::Source(error) => error.code(),
            Self::Locked(..) => FailureCode::InRollout,
            Self::Driven { .. } | Self::LeaseLost(_) => FailureCode::AlreadyDriven,
            Self::Refused(_) | Self::TooOld(_) => FailureCode::WrongState,
            Self::Quarantined { .. } => FailureCode::Quarantined,
            Self::Uneven(_) | Self::WentBack { .. } | Self::Forward(_) => {
                FailureCode::RollbackUneven
            }
            Self::Superseded { .. } | Self::ImplausibleEpoch { .. } => FailureCode::StaleMaster,
            Self::NoneFailed(_) | Self::NothingToUndo(_) => FailureCode::NothingToDo,
            Self::UnknownApp { .. } => FailureCode::UnknownApp,
            Self::WatchTooLong { .. } | Self::NoDomains(_) => FailureCode::Usage,
            Self::Fleet(_) | Self::Unreadable(_) => FailureCode::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked(Locked { rollout: id, .. }, Holder { way_on, .. }) => {
                let go_on = match way_on {
                    WayOn::Wait => {
                        return Some(format!(
                            "wait for it with --wait 10m, or see: swarm rollout show {id}"
                        ));
                    }
                    WayOn::Resume => format!("go on with it: swarm rollout resume {id}"),
                    WayOn::Decide => format!("go on all the same: swarm rollout continue {id}"),
                };
                Some(format!(
                    "{go_on}; or take back what it did: swarm rollout rollback {id}; or leave all as it \
                     is: swarm rollout abort {id}"
                ))
            }
            Self::Quarantined { release, .. } => Some(format!(
                "send a repaired one; or, if the fault was elsewhere, lift it with: swarm release \
                 forgive {} --because TEXT",
                release.short()
            )),
            Self::Refused(RequestError::NeedsDecision(
                Pause::Tripped(_) | Pause::Unclear { .. },
            )) => Some("say how: swarm rollout continue, rollback or abort".to_owned()),
            Self::Refused(RequestError::AlreadyOver { .. }) => Some(
                "to take back what it did: swarm rollout undo ID; to try again where it failed: swarm \
                 update --failed-in ID"
                    .to_owned(),
            ),
            Self::Refused(RequestError::NotNow { state: "awaiting_approval", .. }) => Some(
                "it waits for: swarm rollout approve ID; to end it: swarm rollout reject ID".to_owned(),
            ),
            Self::UnknownApp { .. } => Some("say which with --app APP".to_owned()),
            Self::WatchTooLong { .. } => {
                Some("say less with --watch, or raise longest_watch in its [limits]".to_owned())
            }
            Self::Uneven(_) | Self::WentBack { .. } => Some(
                "say where with --to RELEASE, or that each host goes back one further with --each; \
                 to take back what a rollout did: swarm rollout undo ID"
                    .to_owned(),
            ),
            Self::Superseded { .. } => Some(
                "if this master was restored from a backup, and no other copy of it is in use, run: \
                 swarm init --take-over"
                    .to_owned(),
            ),
            Self::NoneFailed(id) => Some(format!("run: swarm rollout show {}", id.short())),
            Self::ImplausibleEpoch { host, .. } => Some(format!(
                "look at {host}, and leave it out: --select '!{host}'; if what it says can be trusted, run: swarm \
                 init --take-over"
            )),
            Self::Forward(_) => Some("say where with --to RELEASE".to_owned()),
            Self::CutShort { rollout, source, .. } => Some(format!(
                "{}go on with: swarm rollout resume {rollout}",
                source.hint().map(|hint| format!("{hint}; then ")).unwrap_or_default()
            )),
            Self::Store(error) => error.hint(),
            Self::Source(error) => error.hint(),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Locked(..) | Self::Driven { .. } => Exit::Locked,
            Self::NoDomains(_)
            | Self::WatchTooLong { .. }
            | Self::UnknownApp { .. }
            | Self::NoneFailed(_) => Exit::Usage,
            Self::Source(error) => error.exit(),
            Self::Store(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_another_rollout_are_had_by_what_that_one_waits_for() {
        let rollout = RolloutId::new();
        let hint = |way_on| {
            let hosts = vec!["web-1".parse().unwrap()];
            let holder = Holder { words: "ada started it".to_owned(), way_on };
            let error = RolloutError::Locked(Locked { rollout, hosts }, holder);
            assert_eq!(error.exit(), Exit::Locked);
            error.hint().unwrap()
        };
        // After a trip, to resume it would be refused.
        let decide = hint(WayOn::Decide);
        assert!(decide.contains(&format!("swarm rollout continue {rollout}")), "{decide}");
        assert!(!decide.contains("resume"), "{decide}");
        assert!(hint(WayOn::Resume).contains(&format!("swarm rollout resume {rollout}")));
        assert!(hint(WayOn::Wait).contains("--wait"));
    }
}
