//! What is sent, and why an attempt to send it fails.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use reqwest::StatusCode;
use store::Event;

/// An event, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The event's own name: the same in every attempt, so that a receiver can tell.
    pub(super) id: String,
    pub(super) kind: &'static str,
    /// The event, as `--json` shows it.
    pub(super) body: String,
}

impl Message {
    /// Nothing, where the event cannot be written as JSON, which none of ours is.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let body = serde_json::to_string(event).ok()?;
        Some(Self { id: event.id.to_string(), kind: event.kind.name(), body })
    }
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it names no program")]
    NoProgram,
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    #[error("it ended with {status}: {complaint}")]
    Exit { status: ExitStatus, complaint: String },
    #[error("it was not done after {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("it cannot be reached")]
    Send(#[source] reqwest::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
}
