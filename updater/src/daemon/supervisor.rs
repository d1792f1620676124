//! Outside of transactions: agents that should run are started, and started again, ever more
//! slowly, when they die. What an operator stopped is left alone.

use std::sync::Arc;
use std::time::Duration;

use common::{chain, failed_to};
use protocol::EventKind;

use crate::release::Slot;
use crate::runner::Instance;
use crate::transaction::App;

/// How often the size of an agent's log is looked at, the room on the disk, and whether what is amiss
/// still is.
const LOG_LOOKS: Duration = Duration::from_secs(10);

/// Looks after an app's agent for as long as the updater runs.
pub(super) fn supervise(app: Arc<App>) {
    tokio::spawn(async move {
        app.may_start().await;
        let mut pause = Duration::ZERO;
        let stopping = Arc::clone(&app);
        let _ = tokio::task::spawn_blocking(move || keep_stopped(&stopping)).await;
        loop {
            let looking = Arc::clone(&app);
            let found = tokio::task::spawn_blocking(move || looking.instance()).await;
            if let Ok(Some(instance)) = found {
                let looking = Arc::clone(&app);
                // Who started it again may have been somebody else.
                let _ = tokio::task::spawn_blocking(move || looking.refresh()).await;
                if lived_long(&app, &instance).await {
                    pause = Duration::ZERO;
                }
                let looking = Arc::clone(&app);
                let _ = tokio::task::spawn_blocking(move || looking.refresh()).await;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = app.changed.notified() => pause = Duration::ZERO,
            }
            let (first, most) = (app.config.run.backoff.0, app.config.run.backoff_max.0);
            pause = (pause * 2).clamp(first, most.max(first));
            let starting = Arc::clone(&app);
            let _ = tokio::task::spawn_blocking(move || start_if_wanted(&starting)).await;
        }
    });
}

/// Waits for the agent's end, and keeps its log within its bound meanwhile. True if it lived longer
/// than the longest pause, so that its death is a new story.
async fn lived_long(app: &Arc<App>, instance: &Instance) -> bool {
    let since = tokio::time::Instant::now();
    let mut looks = tokio::time::interval(LOG_LOOKS);
    loop {
        tokio::select! {
            _ = instance.exited() => break,
            _ = looks.tick() => {
                let app = Arc::clone(app);
                let _ = tokio::task::spawn_blocking(move || look_after(&app)).await;
            }
        }
    }
    since.elapsed() >= app.config.run.backoff_max.0
}

fn look_after(app: &App) {
    app.refresh_room();
    if !app.status().warnings.is_empty() {
        // What could not be read a while ago may be readable again.
        app.refresh();
    }
    let Ok(runner) = app.runner() else { return };
    if let Err(error) = runner.log().rotate_if_needed() {
        tracing::warn!(app = %app.name, "{}: {}", app.name, failed_to(&error));
    }
}

fn keep_stopped(app: &App) {
    let _held = app.hold_agent();
    if let Err(problem) = app.keep_stopped() {
        tracing::warn!(app = %app.name, "{}: {}", app.name, problem.detail);
    }
}

fn start_if_wanted(app: &App) {
    // A transaction that is past its switch has the agent in its hands: this waits for its end.
    let _held = app.hold_agent();
    let active = app.layout.slot(Slot::Active).ok().flatten();
    let (Ok(runner), Some(active)) = (app.runner(), active) else { return };
    if app.files.stopped().exists() || app.instance().is_some() || app.has_journal_past_switch() {
        return;
    }
    if runner.restarts_by_itself() {
        return;
    }
    let launched = match app.launch(&active) {
        Ok(launch) => runner.start(&launch).map_err(|error| chain(&error)),
        Err(failure) => Err(failure.problem.detail.clone()),
    };
    let detail = match launched {
        Ok(instance) => format!("was started as process {}", instance.process().pid),
        Err(error) => format!("could not be started: failed to {error}"),
    };
    tracing::info!(app = %app.name, "{}: the agent {detail}", app.name);
    app.tell(None, EventKind::Agent { detail });
    app.refresh();
}
