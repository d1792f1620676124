//! The end of a transaction, as the steps between which the engine can die.

use protocol::Outcome;
use updater::transaction::machine::Direction;

use crate::host::{Host, Journal, Line, Release};

/// A step of the end. Each can be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    SweepIncoming,
    SettleAgents,
    WriteOutcome,
    WriteFacts,
    SetPrev,
    WriteHistory,
    SweepLinks,
    RemoveRecords,
    RemoveTrees,
    RemoveJournal,
}

/// All of them, in their order.
pub(crate) const ENDINGS: [Ending; 10] = [
    Ending::SweepIncoming,
    Ending::SettleAgents,
    Ending::WriteOutcome,
    Ending::WriteFacts,
    Ending::SetPrev,
    Ending::WriteHistory,
    Ending::SweepLinks,
    Ending::RemoveRecords,
    Ending::RemoveTrees,
    Ending::RemoveJournal,
];

impl Ending {
    /// The checkpoint that comes after it in the engine, if one does.
    pub(crate) fn checkpoint(self) -> Option<&'static str> {
        Some(match self {
            Self::WriteOutcome => "outcome_written",
            Self::WriteFacts => "facts_written",
            Self::SetPrev => "prev_set",
            Self::WriteHistory => "history_written",
            Self::RemoveRecords => "record_removed",
            Self::RemoveJournal => "journal_removed",
            Self::SweepIncoming | Self::SettleAgents | Self::SweepLinks | Self::RemoveTrees => {
                return None;
            }
        })
    }

    /// Carries it out. The journal's outcome is decided by now.
    pub(crate) fn apply(self, host: &mut Host, journal: &Journal) {
        match self {
            Self::SweepIncoming => host.incoming = false,
            Self::SettleAgents => {
                if host.agent.is_none() && host.beside.is_some() && host.beside == host.active {
                    (host.agent, host.old, host.shown) = (host.beside, false, false);
                }
                (host.beside, host.beside_known) = (None, false);
            }
            Self::WriteOutcome => host.journal = Some(journal.clone()),
            Self::WriteFacts => write_facts(host, journal),
            Self::SetPrev => set_prev(host, journal),
            Self::WriteHistory => {
                if host.history.iter().all(|line| line.order != journal.order) {
                    host.history.push(line(host, journal));
                }
            }
            Self::SweepLinks => {
                host.new_link = None;
                host.current = host.active.is_some();
            }
            Self::RemoveRecords => {
                for release in unused(host, Some(journal)) {
                    host.whole.remove(release);
                    host.half.add(release);
                }
            }
            Self::RemoveTrees => host.half = crate::host::Releases::default(),
            Self::RemoveJournal => host.journal = None,
        }
    }
}

/// What a start without a journal sweeps away.
pub(crate) fn sweep(host: &mut Host) {
    host.incoming = false;
    host.new_link = None;
    host.current = host.active.is_some();
    for release in unused(host, None) {
        host.whole.remove(release);
    }
    host.half = crate::host::Releases::default();
}

/// With `keep = 1`, all that is neither active nor before it, nor kept for diagnosis or because it
/// is needed.
fn unused(host: &Host, journal: Option<&Journal>) -> Vec<Release> {
    let needed = journal.and_then(|journal| match journal.outcome {
        Some(Outcome::Staged) => Some(journal.to),
        Some(Outcome::Stranded) => journal.from,
        _ => None,
    });
    let kept = [host.active, host.prev, host.agent, needed];
    host.whole
        .iter()
        .filter(|release| host.proven.has(*release) && !host.failed.has(*release))
        .filter(|release| !kept.contains(&Some(*release)))
        .collect()
}

/// Whether it ended on the release that was ordered.
pub(crate) fn arrived(journal: &Journal) -> bool {
    matches!(journal.outcome, Some(Outcome::Updated | Outcome::RolledBack))
        && journal.state.direction == Direction::Forward
}

/// Whether it ended on the release that was ordered, though nothing has proven it.
pub(crate) fn stays(host: &Host, journal: &Journal) -> bool {
    journal.outcome == Some(Outcome::Stranded)
        && journal.state.direction == Direction::Forward
        && host.active == Some(journal.to)
}

fn write_facts(host: &mut Host, journal: &Journal) {
    if arrived(journal) {
        host.proven.add(journal.to);
        host.failed.remove(journal.to);
    } else if journal.state.direction == Direction::Back
        || journal.outcome == Some(Outcome::Stranded)
    {
        // What was proven stays so: then it is the way that failed.
        if journal.blamed && journal.from != Some(journal.to) && !host.proven.has(journal.to) {
            host.failed.add(journal.to);
        }
        if let (Some(Outcome::RolledBack), Some(from)) = (journal.outcome, journal.from) {
            host.proven.add(from);
            host.failed.remove(from);
        }
    }
}

fn set_prev(host: &mut Host, journal: &Journal) {
    let proven = host.proven;
    let failed = host.failed;
    let good =
        |release: &Release| proven.has(*release) && !failed.has(*release) && *release != journal.to;
    if arrived(journal) || stays(host, journal) {
        let left = journal.from.filter(|from| *from != journal.to).filter(good);
        host.prev = left.or_else(|| journal.prev.filter(good));
    } else if journal.outcome != Some(Outcome::Interrupted)
        && journal.prev == Some(journal.to)
        && (failed.has(journal.to) || host.active == Some(journal.to))
    {
        host.prev = None;
    }
}

fn line(host: &Host, journal: &Journal) -> Line {
    let outcome = journal.outcome.unwrap_or(Outcome::Interrupted);
    let to = match outcome {
        _ if arrived(journal) => Some(journal.to),
        Outcome::Stranded => host.active,
        _ => journal.from,
    };
    let (order, kind, target, from) = (journal.order, journal.state.kind, journal.to, journal.from);
    Line { order, kind, outcome, to, target, from }
}
