//! What is on the disk and what runs, as far as a transaction can tell.

use protocol::{Kind, Outcome};
use updater::transaction::machine::State;

/// A release, by its number.
pub(crate) type Release = u8;

/// A set of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Releases(u8);

impl Releases {
    pub(crate) fn of(releases: &[Release]) -> Self {
        Self(releases.iter().fold(0, |set, release| set | 1 << release))
    }

    pub(crate) fn has(self, release: Release) -> bool {
        self.0 & (1 << release) != 0
    }

    pub(crate) fn add(&mut self, release: Release) {
        self.0 |= 1 << release;
    }

    pub(crate) fn remove(&mut self, release: Release) {
        self.0 &= !(1 << release);
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Release> {
        (0..8).filter(move |release| self.has(*release))
    }
}

/// `journal.json`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Journal {
    /// Which order it carries out: the first, the second …
    pub(crate) order: u8,
    pub(crate) state: State,
    pub(crate) from: Option<Release>,
    pub(crate) prev: Option<Release>,
    pub(crate) to: Release,
    /// The form of the data when it began.
    pub(crate) before: Form,
    /// Whether the release is to blame for the failure that turned it around.
    pub(crate) blamed: bool,
    /// How often an updater has found it.
    pub(crate) found: u8,
    pub(crate) outcome: Option<Outcome>,
}

/// The form of the data that outlives releases: how many migrations it has seen, and whether the
/// last of them is half done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Form {
    pub(crate) level: u8,
    pub(crate) half: bool,
}

/// A line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) order: u8,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    pub(crate) to: Option<Release>,
    pub(crate) target: Release,
    pub(crate) from: Option<Release>,
}

/// All that outlives the updater.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that is there or is not")]
pub(crate) struct Host {
    /// Whether the app is the updater itself, which has no agent.
    pub(crate) own: bool,
    /// Whether one agent is handed over to the next.
    pub(crate) handover: bool,
    pub(crate) active: Option<Release>,
    /// The temporary name of a flip.
    pub(crate) new_link: Option<Release>,
    pub(crate) current: bool,
    pub(crate) prev: Option<Release>,
    /// Directories of the store with a record.
    pub(crate) whole: Releases,
    /// Directories of the store without one.
    pub(crate) half: Releases,
    /// A directory of a transaction's own, in which it unpacks.
    pub(crate) incoming: bool,
    pub(crate) proven: Releases,
    pub(crate) failed: Releases,
    pub(crate) journal: Option<Journal>,
    pub(crate) history: Vec<Line>,
    /// The release whose unit files are in place, where its agent is units.
    pub(crate) units: Option<Release>,
    /// The release whose agent runs.
    pub(crate) agent: Option<Release>,
    /// In a handover: whether the agent that runs is the one that the journal calls the old one.
    pub(crate) old: bool,
    /// In a handover: the release whose agent runs beside it.
    pub(crate) beside: Option<Release>,
    /// Whether an agent was started there, which may have died.
    pub(crate) beside_known: bool,
    /// Whether, since the transaction had them in its hands, an agent died by itself or with the
    /// power, none ran at all, or the disk refused the way back. For the properties alone.
    pub(crate) unlucky: bool,
    /// Whether the first order changes the form of the data.
    pub(crate) migrates: bool,
    pub(crate) form: Form,
    /// The form that each release needs, once it was ordered.
    pub(crate) levels: [u8; 8],
    /// Nothing is started until that is ordered.
    pub(crate) held: bool,
    /// Whether the agent that runs has shown, since it was started, that it is its release. Nobody
    /// on the host knows this: it is for the properties alone.
    pub(crate) shown: bool,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    pub(crate) orders: u8,
    /// Deaths of the updater, with the agent or without it.
    pub(crate) crashes: u8,
    /// Deaths of the agent.
    pub(crate) deaths: u8,
    /// Refusals of the disk.
    pub(crate) faults: u8,
    /// Times that a caller asks a transaction to stop.
    pub(crate) stops: u8,
    /// Whether the deaths of the updater are counted.
    pub(crate) counts: bool,
}

impl Host {
    /// One that never had a release.
    pub(crate) fn empty() -> Self {
        Self {
            own: false,
            handover: false,
            active: None,
            new_link: None,
            current: false,
            prev: None,
            whole: Releases::default(),
            half: Releases::default(),
            incoming: false,
            proven: Releases::default(),
            failed: Releases::default(),
            journal: None,
            history: Vec::new(),
            units: None,
            agent: None,
            old: false,
            beside: None,
            beside_known: false,
            unlucky: false,
            migrates: false,
            form: Form::default(),
            levels: [0; 8],
            held: false,
            shown: false,
        }
    }

    /// The same, with a migration.
    pub(crate) fn migrating(self) -> Self {
        Self { migrates: true, ..self }
    }

    /// The same, with handovers.
    pub(crate) fn handing_over(self) -> Self {
        Self { handover: true, ..self }
    }

    /// Whether the agent that ran before the transaction was never touched.
    pub(crate) fn keeps_old(&self) -> bool {
        self.agent.is_some() && self.old
    }

    /// Whether the data has the form that a release needs.
    pub(crate) fn fits(&self, release: Release) -> bool {
        self.form == self.form_of(release)
    }

    pub(crate) fn form_of(&self, release: Release) -> Form {
        Form { level: self.levels[usize::from(release)], half: false }
    }

    /// One that runs release 1, and would go back to release 0.
    pub(crate) fn with_two_releases() -> Self {
        Self {
            active: Some(1),
            current: true,
            prev: Some(0),
            whole: Releases::of(&[0, 1]),
            proven: Releases::of(&[0, 1]),
            units: Some(1),
            agent: Some(1),
            shown: true,
            ..Self::empty()
        }
    }

    /// The updater's own releases.
    pub(crate) fn of_the_updater() -> Self {
        Self { own: true, agent: None, shown: false, ..Self::with_two_releases() }
    }
}
