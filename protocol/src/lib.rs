//! What is said between `swarm` and the updaters, and what both of them keep on disk.
//!
//! Pure data and parsing: no I/O, no async, no clock. A type that both sides need lives here, so
//! that neither side ever depends on the other.

#![warn(missing_docs)]

mod agent_health;
mod build_files;
mod build_section;
mod command;
mod detail;
mod digest;
mod drill;
mod error_code;
mod event;
pub mod header;
mod health;
mod host_history;
mod host_outcome;
mod last_transaction;
mod log_item;
mod manifest;
mod name;
mod one_line;
mod operated_agent;
mod order;
mod outcome;
mod phase;
mod problem;
mod project;
mod quantity;
mod record;
mod release_path;
mod releases;
mod signed;
mod stop_signal;
mod transaction_result;
mod words;

pub use agent_health::{AgentDeath, LastProbe, in_seconds};
pub use build_files::{
    GUESSED_BUILD_FILES, is_setup_cfg_of_project, unguessed_build_file, unguessed_words,
};
pub use build_section::{BuildSection, LockUse, PythonSection, Requirements};
pub use command::{Command, program_command, run_or_command};
pub use digest::{Digest, DigestError, SHORTEST_ID, content_digest, parse_content_digest};
pub use drill::{DrillLine, DrillReport, DrillStatus, DrillStep};
pub use error_code::{Code, CodeError, UnknownCode};
pub use event::{Event, EventKind};
pub use health::{ActiveRelease, AppHealth, Health};
pub use host_history::{HostHistory, HostHistoryEntry, HostOperation, OperationKind};
pub use host_outcome::HostOutcome;
pub use last_transaction::{LastTransaction, ended};
pub use log_item::{LOG_LINES, LogItem, MOST_LOG_LINES};
pub use manifest::{
    HooksSection, ManifestError, ManifestRead, Migrates, MigrationsSection, PackSection,
    ReleaseManifest, RunSection, UnitsSection,
};
pub use name::{
    AppName, HostName, LabelError, NameError, OperatorName, TransactionId, parse_label,
};
pub use operated_agent::OperatedAgent;
pub use order::{OrderOptions, RollbackOrder, UpdateOrder};
pub use outcome::{Outcome, Status};
pub use phase::{Kind, Phase};
pub use problem::{Holder, Problem, Space};
pub use project::ProjectIdentity;
pub use quantity::{Bytes, Period, QuantityError};
pub use record::{RELEASE_RECORD, ReleaseRecord};
pub use release_path::{
    EntryName, LinkTarget, PART_BYTES, PATH_BYTES, PATH_PARTS, PathRule, ReleasePath, normalised,
};
pub use releases::{AppReleases, Release, ReleaseState, Releases};
pub use signed::{
    Highest, Offer, SignatureError, SignatureRule, SignedManifest, SignedManifestError,
};
pub use stop_signal::{KillMode, StopSignal, StopSignalError};
pub use transaction_result::{ProbeReport, Proof, SlotRelease, TransactionResult};
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
