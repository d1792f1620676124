//! What is said between `swarm` and the updaters, and what both of them keep on disk.
//!
//! Pure data and parsing: no I/O, no async, no clock. A type that both sides need lives here, so
//! that neither side ever depends on the other.

#![warn(missing_docs)]

mod agent_health;
mod api;
mod digest;
mod drill;
mod error_code;
mod event;
mod host_outcome;
mod manifest;
mod name;
mod outcome;
mod phase;
mod problem;
mod quantity;
mod record;
mod release_path;
mod signed;
mod words;

pub use agent_health::{AgentDeath, LastProbe};
pub use api::{
    ActiveRelease, AppHealth, AppReleases, Health, LastTransaction, OrderOptions, ProbeReport,
    Proof, Release, ReleaseState, Releases, RollbackOrder, SlotRelease, TransactionResult,
    UpdateOrder, ended, header,
};
pub use digest::{Digest, DigestError, content_digest, parse_content_digest};
pub use drill::{DrillLine, DrillReport, DrillStatus, DrillStep};
pub use error_code::{Code, CodeError, UnknownCode};
pub use event::{Event, EventKind};
pub use host_outcome::HostOutcome;
pub use manifest::{
    BuildSection, Command, HooksSection, ManifestError, Migrates, MigrationsSection, PackSection,
    ReleaseManifest, RunSection, UnitsSection,
};
pub use name::{AppName, HostName, LabelError, NameError, TransactionId, parse_label};
pub use outcome::{Outcome, Status};
pub use phase::{Kind, Phase};
pub use problem::{Holder, Problem, Space};
pub use quantity::{Bytes, Period, QuantityError};
pub use record::{RELEASE_RECORD, ReleaseRecord};
pub use release_path::{
    EntryName, LinkTarget, PART_BYTES, PATH_BYTES, PATH_PARTS, PathRule, ReleasePath, normalised,
};
pub use signed::{
    Highest, Offer, SignatureError, SignatureRule, SignedManifest, SignedManifestError,
};
pub use words::{AgentState, BuildKind, CallerKind, ProbeKind, ReleaseSlot, UpdaterState};

/// The version of every stored format and of `/health`. A program that meets a higher one says so
/// and changes nothing.
pub const FORMAT: u32 = 1;

/// The port on which an updater listens unless it is told otherwise.
pub const DEFAULT_UPDATER_PORT: u16 = 8766;

/// The port on which an agent is asked for its health unless it is told otherwise.
pub const DEFAULT_AGENT_PORT: u16 = 8765;

/// The app that an order means when it names none.
pub const DEFAULT_APP: &str = "agent";

/// The app name under which the updater's own releases are kept.
pub const SELF_APP: &str = "updater";

/// The app name of what a drill installs.
pub const DRILL_APP: &str = "drill";
