//! What the updater is doing while it is disturbed.

use clap::ValueEnum;
use fleet_tests::faults::Call;

/// What the updater is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Takes a host's first release.
    Install,
    /// Takes another release.
    Update,
    /// Goes back to the previous one.
    Rollback,
    /// Takes a release that cannot be proven, and puts the old one back.
    Reversal,
    /// Starts after a crash in a switch, and finishes it.
    Recovery,
    /// Starts after a crash in a reversal, and reverses.
    RecoveryBack,
    /// Takes a release with hooks, which changes the form of stored data.
    Migration,
    /// Takes such a release that cannot be proven, and takes the data back with it.
    MigrationBack,
    /// Takes the first release of the updater itself.
    SelfUpdate,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: &[Self] = &[
        Self::Install,
        Self::Update,
        Self::Rollback,
        Self::Reversal,
        Self::Recovery,
        Self::RecoveryBack,
        Self::Migration,
        Self::MigrationBack,
        Self::SelfUpdate,
    ];

    /// Whether it begins with a crash of its own.
    pub(crate) const fn is_recovery(self) -> bool {
        matches!(self, Self::Recovery | Self::RecoveryBack)
    }

    /// Whether the release that is pushed cannot be proven.
    pub(crate) const fn is_bad(self) -> bool {
        matches!(self, Self::Reversal | Self::RecoveryBack | Self::MigrationBack)
    }

    /// Whether the release changes the form of stored data.
    pub(crate) const fn migrates(self) -> bool {
        matches!(self, Self::Migration | Self::MigrationBack)
    }

    /// The call at which the first crash is: the agent's log is opened after the switch, and the
    /// evidence is kept in the reversal.
    pub(crate) fn first_crash(self, call: &Call) -> bool {
        match self {
            Self::RecoveryBack => call.path.ends_with("evidence.json"),
            _ => call.path.ends_with("agent.log"),
        }
    }
}
