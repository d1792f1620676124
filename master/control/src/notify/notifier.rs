//! The queues between a rollout and the hooks that are told of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::Backoff;
use explain::Explain;
use store::Event;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::notify::deliver::{Recipient, deliver};
use crate::notify::message::Message;
use crate::notify::signature::Secret;
use crate::notify::webhook::Webhook;
use crate::notify::{Hook, Occasion, SecretError, Target};

/// How many events may wait for one hook. A rollout has a few.
const QUEUE: usize = 64;
/// Between attempts to tell a hook of one event.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Why a hook cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificates of a webhook.
    #[error("read the certificates in {}", .path.display())]
    Ca { path: PathBuf, source: io::Error },
    /// The client for it.
    #[error("prepare a webhook")]
    Client(#[source] reqwest::Error),
}

impl Explain for NotifyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Secret(error) => error.hint(),
            Self::Ca { .. } | Self::Client(_) => None,
        }
    }
}

/// Tells all hooks, each by a task of its own, so that none waits for another and the rollout for
/// none of them.
pub struct Notifier {
    lines: Vec<Line>,
}

/// One hook, and what is on its way to it.
struct Line {
    hook: Arc<Hook>,
    queue: mpsc::Sender<Message>,
    ledger: Arc<Ledger>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Ledger {
    /// Events that were put into the queue and are not through.
    waiting: AtomicUsize,
    /// Events for which there was no place.
    dropped: AtomicUsize,
    /// What was tried and failed.
    faults: Mutex<Vec<String>>,
}

impl Notifier {
    /// Makes ready to tell these. Must be called in a runtime. Hooks whose secret or certificates
    /// can't be used are left out, and said: they hold no rollout up. Commands get `home` as `HOME`.
    pub fn start(
        hooks: &[Hook],
        home: Option<&Path>,
        now: fn() -> OffsetDateTime,
    ) -> (Self, Vec<NotifyError>) {
        Self::start_with(hooks, home, now, BACKOFF)
    }

    pub(super) fn start_with(
        hooks: &[Hook],
        home: Option<&Path>,
        now: fn() -> OffsetDateTime,
        backoff: Backoff,
    ) -> (Self, Vec<NotifyError>) {
        let (mut lines, mut errors) = (Vec::new(), Vec::new());
        for hook in hooks {
            match Line::open(hook.clone(), home, backoff, now) {
                Ok(line) => lines.push(line),
                Err(error) => errors.push(error),
            }
        }
        (Self { lines }, errors)
    }

    /// Tells of an event, if a hook wants it. Never waits.
    pub fn notify(&self, event: &Event) {
        let Some(occasion) = Occasion::of(event) else { return };
        let wanted = self.lines.iter().filter(|line| line.hook.events.contains(&occasion));
        let Some(message) = Message::of(event) else { return };
        for line in wanted {
            line.ledger.waiting.fetch_add(1, Ordering::Relaxed);
            if line.queue.try_send(message.clone()).is_err() {
                line.ledger.waiting.fetch_sub(1, Ordering::Relaxed);
                line.ledger.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until all is delivered or given up, but not for longer than `deadline` in all. Says what
    /// was not delivered, a line each.
    pub async fn finish(self, deadline: Duration) -> Vec<String> {
        let until = Instant::now() + deadline;
        let mut faults = Vec::new();
        for line in self.lines {
            faults.extend(line.close(until).await);
        }
        faults
    }
}

impl Line {
    fn open(
        hook: Hook,
        home: Option<&Path>,
        backoff: Backoff,
        now: fn() -> OffsetDateTime,
    ) -> Result<Self, NotifyError> {
        let recipient = recipient(&hook, home)?;
        let (queue, mut messages) = mpsc::channel::<Message>(QUEUE);
        let (hook, ledger) = (Arc::new(hook), Arc::new(Ledger::default()));
        let (to, kept) = (Arc::clone(&hook), Arc::clone(&ledger));
        let task = tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                if let Err(why) = deliver(&to, &recipient, &message, backoff, now).await {
                    let fault = format!("{} was not told of {}: {why}", to.target, message.kind);
                    kept.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
                }
                kept.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        });
        Ok(Self { hook, queue, ledger, task })
    }

    async fn close(self, until: Instant) -> Vec<String> {
        let Self { hook, queue, ledger, mut task } = self;
        drop(queue);
        if timeout_at(until, &mut task).await.is_err() {
            task.abort();
            // A command is ended with its task.
            let _ = task.await;
        }
        let mut faults =
            std::mem::take(&mut *ledger.faults.lock().unwrap_or_else(PoisonError::into_inner));
        let count = |count: &AtomicUsize, why: &str| match count.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(format!("{} was not told of an event: {why}", hook.target)),
            events => Some(format!("{} was not told of {events} events: {why}", hook.target)),
        };
        faults.extend(count(&ledger.dropped, "too many were waiting"));
        faults.extend(count(&ledger.waiting, "there was no more time"));
        faults
    }
}

fn recipient(hook: &Hook, home: Option<&Path>) -> Result<Recipient, NotifyError> {
    Ok(match &hook.target {
        Target::Command(command) => {
            let (command, home) = (command.clone(), home.map(Path::to_owned));
            Recipient::Command { command, home }
        }
        Target::Webhook { url, secret, ca } => {
            let read = |path: &PathBuf| {
                std::fs::read(path).map_err(|source| NotifyError::Ca { path: path.clone(), source })
            };
            let ca = ca.as_ref().map(read).transpose()?;
            let secret = Secret::read(secret)?;
            Recipient::Webhook(Box::new(Webhook::new(url, secret, ca.as_deref(), hook.timeout)?))
        }
    })
}
