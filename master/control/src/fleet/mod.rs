//! The hosts as they are now: how they are reached, what they run, what they wait for.
//!
//! Nothing here changes what a host runs, and nothing here is remembered but the certificate that it shows.

mod ask;
mod certificates;
mod check;
mod connect;
mod drift;
mod drill;
mod epochs;
mod error;
mod evidence;
mod expected;
mod host_log;
mod on_host_words;
mod room;
mod status;
mod why_answer;
mod why_text;

pub use ask::{TaskPanicked, ask_hosts};
pub use certificates::MetCertificates;
pub use check::{CheckedHost, check};
pub use connect::{Fleet, Member};
pub use drill::{HostDrill, drill, record_drill};
pub use epochs::{SeenEpochs, is_plausible, seen_epochs};
pub use error::FleetError;
pub use evidence::{EvidenceError, KeptEvidence, evidence};
pub use expected::{Expected, HeldBy, Known, Missed, known};
pub use host_log::{LogEntry, host_history, host_log};
pub use on_host_words::{operation_words, transaction_words};
pub use status::{AppStatus, HostStatus, status};
pub use why_answer::{HostAnswer, Subject, Why};
pub use why_text::why;
