//! What the engine does in each phase, as the steps between which it can die.

use protocol::{Kind, Phase};
use updater::transaction::machine::Direction;

use crate::host::{Form, Host, Journal, Release};

/// A step that is whole or did not take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Unpack,
    Received,
    MoveToStore,
    Build,
    MakeDurable,
    KeepCounter,
    WriteRecord,
    Prepare,
    BackUp,
    BeginMigration,
    Migrate,
    MakeNewLink,
    Flip,
    MakeCurrent,
    Fits,
    StopAgent,
    PlaceUnits,
    StartAgent,
    StartBeside,
    Ready,
    ClearBeside,
    LookBeside,
    ForgetOld,
    Drain,
    Succeed,
    Prove,
    Confirm,
    Watch,
    KeepEvidence,
    Reversed,
    WithdrawUnits,
    RemoveCurrent,
    RemoveActive,
    CheckOwn,
    TryOwn,
    FlippedOwn,
}

impl Act {
    /// The checkpoint that comes after it in the engine, if one does.
    pub(crate) fn checkpoint(self) -> Option<&'static str> {
        Some(match self {
            Self::Received => "received",
            Self::MoveToStore => "moved_to_store",
            Self::Build => "built",
            Self::MakeDurable => "made_durable",
            Self::KeepCounter => "counter_kept",
            Self::WriteRecord => "record_written",
            Self::BeginMigration => "migration_begun",
            Self::Migrate => "migrated",
            Self::MakeNewLink => "new_link_made",
            Self::Flip => "active_flipped",
            Self::MakeCurrent => "current_made",
            Self::StopAgent => "agent_stopped",
            Self::PlaceUnits => "units_placed",
            Self::StartAgent => "agent_started",
            Self::StartBeside => "agent_started_beside",
            Self::Ready => "agent_ready",
            Self::Drain => "agent_drained",
            Self::Succeed => "agent_succeeded",
            Self::Prove => "proven",
            Self::Watch => "watched",
            Self::KeepEvidence => "evidence_kept",
            Self::Reversed => "active_reversed",
            Self::RemoveActive => "active_removed",
            Self::CheckOwn => "self_checked",
            Self::TryOwn => "self_started",
            Self::FlippedOwn => "self_flipped",
            Self::Unpack
            | Self::ClearBeside
            | Self::LookBeside
            | Self::ForgetOld
            | Self::Prepare
            | Self::BackUp
            | Self::Fits
            | Self::Confirm
            | Self::WithdrawUnits
            | Self::RemoveCurrent => return None,
        })
    }

    /// Whether the release can make it fail, which is then its own fault.
    pub(crate) fn judges(self, journal: &Journal) -> bool {
        use Act::{CheckOwn, Confirm, Prove, Ready, StartAgent, StartBeside, TryOwn, Watch};
        match self {
            // On the way back it is only noted.
            Ready => journal.state.direction == Direction::Forward,
            Self::Prepare
            | Self::BackUp
            | Self::Migrate
            | StartAgent
            | StartBeside
            | Prove
            | Confirm
            | Watch
            | CheckOwn
            | TryOwn => true,
            _ => false,
        }
    }

    /// Whether it can only fail: what has to be seen cannot be.
    pub(crate) fn is_doomed(self, host: &Host, journal: &Journal) -> bool {
        match self {
            Self::Prove | Self::Watch => host.agent != goal(journal),
            Self::Ready | Self::LookBeside => {
                journal.state.direction == Direction::Forward && host.beside != goal(journal)
            }
            Self::Fits => goal(journal).is_some_and(|goal| !host.fits(goal)),
            _ => false,
        }
    }

    pub(crate) fn apply(self, host: &mut Host, journal: &Journal) {
        let goal = goal(journal);
        match self {
            Self::Unpack => host.incoming = true,
            Self::MoveToStore => {
                host.incoming = false;
                host.half.add(journal.to);
            }
            Self::WriteRecord => {
                host.half.remove(journal.to);
                host.whole.add(journal.to);
            }
            Self::MakeNewLink => host.new_link = goal,
            Self::Flip => host.active = host.new_link.take(),
            Self::MakeCurrent => host.current = true,
            Self::StopAgent => {
                (host.agent, host.shown) = (None, false);
                (host.beside, host.beside_known) = (None, false);
            }
            Self::StartBeside => {
                (host.beside, host.beside_known, host.held) = (goal, true, false);
            }
            Self::ClearBeside => (host.beside, host.beside_known) = (None, false),
            Self::ForgetOld => host.old = false,
            Self::Drain => (host.agent, host.shown) = (None, false),
            Self::Succeed => {
                (host.agent, host.old, host.shown) = (host.beside.take(), false, false);
                host.beside_known = false;
            }
            Self::PlaceUnits => host.units = goal,
            Self::WithdrawUnits => host.units = None,
            Self::StartAgent => (host.agent, host.shown, host.held) = (goal, false, false),
            Self::BeginMigration => host.form.half = true,
            Self::Migrate => host.form = goal_form(host, journal),
            Self::Prove | Self::Watch => host.shown = true,
            Self::RemoveCurrent => (host.current, host.new_link) = (false, None),
            Self::RemoveActive => host.active = None,
            Self::Received
            | Self::Ready
            | Self::LookBeside
            | Self::Prepare
            | Self::BackUp
            | Self::Fits
            | Self::Build
            | Self::MakeDurable
            | Self::KeepCounter
            | Self::Confirm
            | Self::KeepEvidence
            | Self::Reversed
            | Self::CheckOwn
            | Self::TryOwn
            | Self::FlippedOwn => {}
        }
    }
}

/// The acts of the journal's phase.
pub(crate) fn acts(host: &Host, journal: &Journal) -> &'static [Act] {
    use Act::*;
    let own = journal.state.kind == Kind::SelfUpdate;
    match journal.state.phase {
        Phase::Receiving => &[Unpack, Received],
        // A release that is here already is not built again.
        Phase::Building if host.whole.has(journal.to) => &[],
        Phase::Building => &[MoveToStore, Build, MakeDurable, KeepCounter, WriteRecord],
        Phase::Staged if own => &[CheckOwn],
        Phase::Probing if own => &[TryOwn],
        Phase::Switching if own => &[MakeNewLink, Flip, MakeCurrent, FlippedOwn],
        Phase::Switching => &[MakeNewLink, Flip, MakeCurrent],
        Phase::Starting => starting(host, journal),
        // It was done before, or there is nothing to do.
        Phase::Draining if !host.beside_known => &[],
        Phase::Draining => &[LookBeside, ForgetOld, Drain, Succeed],
        // Where no data changes its form, these say nothing.
        Phase::Staged if host.migrates && journal.state.kind != Kind::Stage => &[Prepare],
        Phase::BackingUp => &[StopAgent, BackUp],
        Phase::Migrating if goal_form(host, journal) == host.form => &[StopAgent],
        Phase::Migrating => &[StopAgent, BeginMigration, Migrate],
        Phase::Restarting if untouched(host, journal) => &[],
        Phase::Restarting if host.migrates && journal.state.direction == Direction::Back => {
            &[Fits, StopAgent, PlaceUnits, StartAgent]
        }
        Phase::Restarting => &[StopAgent, PlaceUnits, StartAgent],
        Phase::Probing => &[Prove],
        Phase::Confirming => &[Confirm],
        Phase::Watching => &[Watch],
        Phase::Reversing if journal.from.is_some() => {
            &[KeepEvidence, MakeNewLink, Flip, MakeCurrent, Reversed]
        }
        Phase::Reversing => {
            &[KeepEvidence, StopAgent, WithdrawUnits, RemoveCurrent, RemoveActive, Reversed]
        }
        Phase::Idle | Phase::Verifying | Phase::Staged => &[],
    }
}

/// How the agent beside the one that serves comes to be there.
fn starting(host: &Host, journal: &Journal) -> &'static [Act] {
    use Act::{ClearBeside, Drain, Fits, Ready, StartBeside, Succeed};
    let back = journal.state.direction == Direction::Back;
    if back && host.keeps_old() {
        return &[ClearBeside];
    }
    let acts: &'static [Act] = if host.beside.is_some() && host.beside == goal(journal) {
        &[Fits, Ready]
    } else if back && host.agent.is_none() && host.beside.is_some() {
        &[Fits, Drain, Succeed, StartBeside, Ready]
    } else {
        &[Fits, StartBeside, Ready]
    };
    if back && host.migrates { acts } else { &acts[1..] }
}

/// The release that this direction goes to.
pub(crate) fn goal(journal: &Journal) -> Option<Release> {
    match journal.state.direction {
        Direction::Forward => Some(journal.to),
        Direction::Back => journal.from,
    }
}

/// The form that the data gets in this direction.
fn goal_form(host: &Host, journal: &Journal) -> Form {
    match journal.state.direction {
        Direction::Forward => host.form_of(journal.to),
        Direction::Back => journal.before,
    }
}

/// The old agent was never stopped, so it need not be started.
fn untouched(host: &Host, journal: &Journal) -> bool {
    journal.state.direction == Direction::Back
        && journal.from != Some(journal.to)
        && host.agent == journal.from
}
