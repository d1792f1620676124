//! One event to one place, as often as it takes and as it may.

use std::process::ExitStatus;
use std::time::Duration;
use std::{error, io};

use protocol::Command;
use reqwest::StatusCode;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::notify::webhook::Webhook;
use crate::notify::{Hook, command};
use crate::store::Event;

/// An event, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The event's own name: the same in every attempt, so that a receiver can tell.
    pub(super) id: String,
    /// What happened.
    pub(super) kind: &'static str,
    /// The event, as `--json` shows it.
    pub(super) body: String,
}

/// Who is told, ready to be spoken to.
pub(super) enum Recipient {
    Command(Command),
    Webhook(Box<Webhook>),
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

/// How long is waited between attempts: twice as long each time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }
}

impl Message {
    /// Nothing, where the event cannot be written as JSON, which none of ours is.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let body = serde_json::to_string(event).ok()?;
        Some(Self { id: event.id.to_string(), kind: event.kind.name(), body })
    }
}

/// Tries until it is delivered; else says why the last attempt was not.
pub(super) async fn deliver(
    hook: &Hook,
    recipient: &Recipient,
    message: &Message,
    backoff: Backoff,
    now: fn() -> OffsetDateTime,
) -> Result<(), String> {
    let mut pause = backoff.first;
    let mut attempt = 1;
    loop {
        let ended = match recipient {
            Recipient::Command(words) => command::run(words, message, hook.timeout).await,
            Recipient::Webhook(webhook) => webhook.post(message, now().unix_timestamp()).await,
        };
        let Err(fault) = ended else { return Ok(()) };
        // It says itself that it wants no more.
        let gone = matches!(fault, Fault::Status(StatusCode::GONE));
        if gone || attempt >= hook.attempts.get() {
            let times = if attempt == 1 { "attempt" } else { "attempts" };
            return Err(format!("{} ({attempt} {times})", words(&fault)));
        }
        attempt += 1;
        sleep(pause).await;
        pause = (pause * 2).min(backoff.longest);
    }
}

/// A fault with all its causes, on one line.
fn words(fault: &Fault) -> String {
    let mut words = fault.to_string().trim_end_matches([':', ' ']).to_owned();
    let mut cause = error::Error::source(fault);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
