//! `[[on_event]]` as it is written.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::{Command, Period};
use serde::Deserialize;

use crate::notify::{Hook, HookUrl, Occasion, Target, UrlError};

/// How long an attempt may take, if it is not said.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a webhook is tried, if it is not said. A command may not be meant to run twice.
const WEBHOOK_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
const COMMAND_ATTEMPTS: NonZeroU32 = NonZeroU32::MIN;

#[derive(Deserialize)]
pub(super) struct RawHook {
    events: Option<BTreeSet<Occasion>>,
    command: Option<Command>,
    url: Option<String>,
    secret: Option<PathBuf>,
    ca: Option<PathBuf>,
    timeout: Option<Period>,
    attempts: Option<NonZeroU32>,
}

/// Why it cannot work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it has neither a command nor a url")]
    Nobody,
    #[error("it has both a command and a url")]
    Both,
    #[error("its command is empty")]
    NoProgram,
    #[error("secret and ca are for a url")]
    NotForACommand,
    #[error("a url needs a secret to sign with")]
    NoSecret,
    #[error("events is empty: the hook would never be called")]
    NoEvents,
    #[error("url: {0}")]
    Url(#[from] UrlError),
}

impl RawHook {
    /// What it means; paths are relative to `directory`.
    pub(super) fn understood(self, directory: &Path) -> Result<Hook, Fault> {
        let events = self.events.unwrap_or_else(|| BTreeSet::from(Occasion::ALL));
        if events.is_empty() {
            return Err(Fault::NoEvents);
        }
        let (target, attempts) = match (self.command, self.url) {
            (None, None) => return Err(Fault::Nobody),
            (Some(_), Some(_)) => return Err(Fault::Both),
            (Some(Command(words)), _) if words.is_empty() => return Err(Fault::NoProgram),
            (Some(_), _) if self.secret.is_some() || self.ca.is_some() => {
                return Err(Fault::NotForACommand);
            }
            (Some(command), _) => (Target::Command(command), COMMAND_ATTEMPTS),
            (None, Some(url)) => {
                let url: HookUrl = url.parse()?;
                let secret = directory.join(self.secret.ok_or(Fault::NoSecret)?);
                let ca = self.ca.map(|ca| directory.join(ca));
                (Target::Webhook { url, secret, ca }, WEBHOOK_ATTEMPTS)
            }
        };
        Ok(Hook {
            events,
            target,
            timeout: self.timeout.map_or(TIMEOUT, |period| period.0),
            attempts: self.attempts.unwrap_or(attempts),
        })
    }
}
