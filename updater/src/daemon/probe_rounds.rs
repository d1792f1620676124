//! Asks each app's own probe now and then, for as long as the updater runs.

use std::sync::Arc;
use std::time::Duration;

use protocol::ProbeKind;
use tokio::runtime::Handle;

use crate::sys::spawn_task;
use crate::transaction::App;

/// For all that is asked in one round; a program that hangs takes the time of its probe for each answer.
const ROUND: Duration = Duration::from_mins(5);

/// Asks the probe of one app.
pub(super) fn ask_now_and_then(app: Arc<App>) {
    if app.probe_kind() == ProbeKind::None {
        return;
    }
    let name = format!("the probe rounds of {}", app.settings.name);
    spawn_task(&Handle::current(), name, async move {
        app.agent.start_allowed().await;
        loop {
            tokio::time::sleep(app.settings.config.health.every.0).await;
            app.ask_probe(ROUND).await;
        }
    });
}
