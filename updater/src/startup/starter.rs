//! Listening to the process that started this updater: the parent, or the updater before it.

use std::io;
use std::sync::Arc;
use std::thread::Builder;

use tokio::sync::mpsc::UnboundedSender;

use crate::self_update::{Channel, ChannelError, FromParent};
use crate::sys::spawn_thread;

/// Passes on what the starter says, on a thread of its own. Where the starter is gone and has left this
/// updater nothing, this process ends.
#[expect(clippy::exit, reason = "it has to end though the runtime may hang")]
pub(super) fn listen_to_starter(
    starter: Arc<Channel>,
    said: UnboundedSender<FromParent>,
) -> io::Result<()> {
    let listening = move || {
        let mut inherits = false;
        loop {
            match starter.receive() {
                Ok(FromParent::Inherit) => inherits = true,
                Ok(message) => drop(said.send(message)),
                Err(ChannelError::Malformed(_)) => {}
                Err(ChannelError::Io(_)) if inherits => {
                    let _ = said.send(FromParent::InCharge);
                    return;
                }
                Err(ChannelError::Io(_)) => std::process::exit(1),
            }
        }
    };
    spawn_thread(Builder::new().name("starter".to_owned()), listening).map(drop)
}
