//! One event to one place, as often as it takes and as it may.

use std::path::PathBuf;

use common::{Backoff, causes, random};
use protocol::Command;
use reqwest::StatusCode;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::notify::message::{Fault, Message};
use crate::notify::webhook::Webhook;
use crate::notify::{Hook, command};

/// Who is told, ready to be spoken to.
pub(super) enum Recipient {
    Command {
        command: Command,
        /// `HOME`, as this process has it.
        home: Option<PathBuf>,
    },
    Webhook(Box<Webhook>),
}

/// Tries until it is delivered; else says why the last attempt was not.
pub(super) async fn deliver(
    hook: &Hook,
    recipient: &Recipient,
    message: &Message,
    backoff: Backoff,
    now: fn() -> OffsetDateTime,
) -> Result<(), String> {
    let mut attempts = backoff.attempts();
    loop {
        let ended = match recipient {
            Recipient::Command { command, home } => {
                command::run(command, home.as_deref(), message, hook.timeout).await
            }
            Recipient::Webhook(webhook) => webhook.post(message, now().unix_timestamp()).await,
        };
        let Err(fault) = ended else { return Ok(()) };
        // It says itself that it wants no more.
        let gone = matches!(fault, Fault::Status(StatusCode::GONE));
        let pause = attempts.fail(random());
        let failed = attempts.failed();
        if gone || failed >= hook.attempts.get() {
            let times = if failed == 1 { "attempt" } else { "attempts" };
            return Err(format!("{} ({failed} {times})", words(&fault)));
        }
        sleep(pause).await;
    }
}

/// A fault with all its causes, on one line.
fn words(fault: &Fault) -> String {
    let words = fault.to_string().trim_end_matches([':', ' ']).to_owned();
    causes(fault).fold(words, |words, cause| format!("{words}: {cause}"))
}
