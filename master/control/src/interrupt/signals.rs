//! How often the operator has asked this process to stop, with Ctrl-C or by a signal.

use std::io;

use explain::Explain;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The system does not pass signals on: Ctrl-C would kill the process half way.
#[derive(Debug, thiserror::Error)]
#[error("listen to signals")]
pub struct ListenError(#[from] io::Error);

impl Explain for ListenError {}

/// How often the operator has asked to stop. Clones count together.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Sender<u8>);

impl Interrupt {
    /// Not asked yet, and no signal is listened to.
    pub fn none() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Listens to SIGINT and SIGTERM from now on. Must be called in a runtime.
    pub fn listen() -> Result<Self, ListenError> {
        let interrupt = Self::none();
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let heard = interrupt.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = int.recv() => heard.ask(),
                    _ = term.recv() => heard.ask(),
                }
            }
        });
        Ok(interrupt)
    }

    /// Asks once more.
    pub fn ask(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Whether the operator has asked at all.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until the operator has asked so many times.
    pub async fn asked(&self, times: u8) {
        let mut asked = self.0.subscribe();
        // The sender is in `self`: it does not end before this does.
        let _ = asked.wait_for(|asked| *asked >= times).await;
    }
}
