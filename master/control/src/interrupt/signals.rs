//! How often the operator has asked this process to stop, with Ctrl-C or by a signal.

use std::io;

use explain::Explain;
use tokio::signal::unix::{Signal, SignalKind, signal};
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

    /// Listens to SIGINT, SIGTERM and SIGHUP from now on, to the last one unless this process was
    /// started to ignore it, by `nohup`. Must be called in a runtime.
    pub fn listen() -> Result<Self, ListenError> {
        let interrupt = Self::none();
        let ignored = is_hangup_ignored();
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        let mut hangup = if ignored { None } else { Some(signal(SignalKind::hangup())?) };
        let heard = interrupt.clone();
        tokio::spawn(async move {
            let mut hung_up = false;
            loop {
                tokio::select! {
                    _ = int.recv() => heard.ask(),
                    _ = term.recv() => heard.ask(),
                    // The kernel and the shell each send one when a terminal goes away: no operator
                    // has asked twice.
                    () = received(&mut hangup) => {
                        if !std::mem::replace(&mut hung_up, true) {
                            heard.ask();
                        }
                    }
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

/// The next of these signals; none is ever received where they are ignored.
async fn received(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP, the signal 1, is in the mask of ignored ones (`proc_pid_status(5)`).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
