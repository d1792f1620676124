//! One event to one place, as often as it takes and as it may.

use std::time::Duration;

use common::causes;
use protocol::Command;
use reqwest::StatusCode;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::notify::message::{Fault, Message};
use crate::notify::webhook::Webhook;
use crate::notify::{Hook, command};

/// Who is told, ready to be spoken to.
pub(super) enum Recipient {
    Command(Command),
    Webhook(Box<Webhook>),
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
    let words = fault.to_string().trim_end_matches([':', ' ']).to_owned();
    causes(fault).fold(words, |words, cause| format!("{words}: {cause}"))
}
