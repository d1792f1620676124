//! Ctrl-C: once stops starting, twice leaves.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often the user has asked to stop.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Sender<u8>);

impl Interrupt {
    /// Nobody has, and no signal is listened to.
    pub fn none() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Listens to SIGINT and SIGTERM from now on. Must be called in a runtime.
    pub fn listen() -> std::io::Result<Self> {
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

    pub fn ask(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Whether no new host is to be started.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits until it was asked so many times.
    pub async fn asked(&self, times: u8) {
        let mut asked = self.0.subscribe();
        // The sender is in `self`: it does not end before this does.
        let _ = asked.wait_for(|asked| *asked >= times).await;
    }
}
