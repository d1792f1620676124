//! What systemd is told of the updater, by `sd_notify(3)`. Where no systemd listens, nothing is.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use sd_notify::NotifyState;

/// The updater serves, and is in charge.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The start goes on, and what it does now may take so long. Afterwards it counts as hung.
pub fn starting_for(at_most: Duration) {
    let microseconds = u32::try_from(at_most.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(microseconds)]);
}

/// The updater was asked to end, and does.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// From now on another process is the unit's, which will say when it is ready.
pub fn hand_over(successor: u32) {
    let mut states = vec![NotifyState::Reloading, NotifyState::MainPid(successor)];
    states.extend(NotifyState::monotonic_usec_now().ok());
    tell(&states);
}

/// Says again and again that the runtime still carries things out, if the unit has a watchdog.
pub async fn feed_watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut feeding = tokio::time::interval((patience / 3).max(Duration::from_millis(1)));
    loop {
        feeding.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Keeps a copy of a descriptor for the unit's next process. Of one that it has, it keeps no second.
pub fn keep(name: &str, descriptor: BorrowedFd<'_>) {
    let states = [NotifyState::FdStore, NotifyState::FdName(name)];
    told(sd_notify::notify_with_fds(&states, &[descriptor]));
}

/// Keeps none of this name any more.
pub fn let_go(name: &str) {
    tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

fn tell(states: &[NotifyState]) {
    told(sd_notify::notify(states));
}

fn told(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!("systemd cannot be told: {error}");
    }
}
