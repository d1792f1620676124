//! The last thing that an updater does which was told to end: what is under way does not die with it.

use std::sync::mpsc::channel;
use std::thread::Builder;
use std::time::Duration;

use common::failed_to;

use crate::config::Config;
use crate::sys::spawn_thread;
use crate::transaction::{AppFiles, OrderlyEnd};

/// A disk that hangs holds up no end: what it has not taken by then is left behind.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

/// Writes down, for each app with a transaction under way, that its updater was told to end.
pub fn note_orderly_end(config: &Config) {
    let apps = config.apps.keys();
    let apps: Vec<_> = apps.map(|app| AppFiles::new(&config.state_dir, app)).collect();
    let (noted, all) = channel();
    let noting = move || {
        for files in apps {
            if let Err(error) = OrderlyEnd::note(&files) {
                tracing::warn!("the next updater takes this one for dead: {}", failed_to(&error));
            }
        }
        let _ = noted.send(());
    };
    if spawn_thread(Builder::new().name("end".to_owned()), noting).is_ok() {
        let _ = all.recv_timeout(NOTED_WITHIN);
    }
}
