//! What only the updater's own app has: the program that runs, how another one takes its place, and
//! whether one has.

use std::io;
use std::sync::Arc;

use protocol::{Digest, Outcome};
use tokio::sync::watch;

use super::AppSettings;
use crate::release::Slot;
use crate::self_update::{OwnExecutable, Takeover};
use crate::sys::wall_clock;

pub(in crate::transaction) struct SelfUpdate {
    program: OwnExecutable,
    takeover: Arc<Takeover>,
    /// Whether a new updater was proven, and this process has to make room for it.
    succeeded: watch::Sender<bool>,
}

impl SelfUpdate {
    pub(in crate::transaction) fn new(program: OwnExecutable, takeover: Arc<Takeover>) -> Self {
        Self { program, takeover, succeeded: watch::Sender::new(false) }
    }

    /// The release that this process is of.
    pub(in crate::transaction) const fn release(&self) -> Digest {
        self.program.digest
    }

    pub(in crate::transaction) fn takeover(&self) -> &Takeover {
        &self.takeover
    }

    /// What runs now becomes the updater's first release, so that there is one to go back to.
    pub(in crate::transaction) fn seed(&self, settings: &AppSettings) -> io::Result<()> {
        let now = wall_clock();
        let first = settings.layout.slot(Slot::Active)?.is_none();
        let length = settings.name_length().map_err(io::Error::other)?;
        let seeded = self.program.seed(&settings.layout, length, now, || {
            let known = settings.change_release_states(|states| {
                states.proved(self.program.digest, now);
                states.knows_short_names(&self.program.digest);
            });
            known.map_err(io::Error::other)
        });
        if seeded.is_err() {
            // The order is refused, and nothing that is half made stays.
            let cleared = if first { settings.layout.clear() } else { Ok(()) };
            if let Err(failure) =
                cleared.map_err(Into::into).and_then(|()| settings.sweep(None, None))
            {
                let why = failure.into_detail();
                tracing::warn!("something is left that the next start has to remove: {why}");
            }
        }
        seeded
    }

    /// An order for the updater's own app ended. After an update this process has to leave.
    pub(in crate::transaction) fn ended(&self, outcome: Outcome) {
        if outcome == Outcome::Updated {
            self.succeeded.send_replace(true);
        }
    }

    /// Whether a new updater was proven.
    pub(in crate::transaction) fn has_succeeded(&self) -> bool {
        *self.succeeded.borrow()
    }

    /// Waits until a new updater was proven.
    pub(in crate::transaction) fn succeeded(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut succeeded = self.succeeded.subscribe();
        async move {
            // It cannot be closed before this process ends.
            let _ = succeeded.wait_for(|succeeded| *succeeded).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::TcpListener;

    use futures_util::FutureExt as _;
    use tokio::runtime::Handle;
    use tokio::sync::mpsc;

    use super::*;
    use crate::self_update::{SuccessorStarter, Unit};
    use listener::AcceptSwitch;

    fn self_update() -> SelfUpdate {
        let (said, heard) = mpsc::unbounded_channel();
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let unit = Unit::new("/none".into(), BTreeMap::new(), socket, Arc::default(), said);
        let (starter, gate) = (SuccessorStarter::Unit(unit), AcceptSwitch::new(true));
        let takeover = Takeover::new(starter, heard, gate, "/none".into(), None, Handle::current());
        let program = OwnExecutable { path: "/none".into(), digest: Digest::from_bytes([1; 32]) };
        SelfUpdate::new(program, takeover)
    }

    #[tokio::test]
    async fn that_this_process_has_to_leave_is_a_value_and_no_exit() {
        let own = self_update();
        for outcome in [Outcome::Interrupted, Outcome::Staged, Outcome::Stranded] {
            own.ended(outcome);
            assert!(own.succeeded().now_or_never().is_none() && !own.has_succeeded());
        }
        let waits = own.succeeded();
        own.ended(Outcome::Updated);
        assert!(own.has_succeeded());
        waits.await;
        own.succeeded().await;
    }
}
