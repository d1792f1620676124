//! Outside of transactions: agents that should run are started, and started again, ever more
//! slowly, when they die. What an operator stopped is left alone.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use common::failed_to;
use protocol::EventKind;
use tokio::runtime::Handle;

use crate::release::Slot;
use crate::runner::Instance;
use crate::sys::{blocking, spawn_task};
use crate::transaction::App;

/// How often it is seen to an agent's log, to the room on the disk, and whether what is amiss still is.
const LOG_LOOKS: Duration = Duration::from_secs(10);

/// How often it is looked whether something else has started what an operator stopped.
const STOPPED_LOOKS: Duration = Duration::from_secs(5);

/// What panics there, in the log.
const LOOKING: &str = "a look at an agent";

/// Looks after an app's agent for as long as the updater runs.
pub(super) fn supervise(app: Arc<App>) {
    let name = format!("the supervisor of {}", app.settings.name);
    spawn_task(&Handle::current(), name, async move {
        app.agent.start_allowed().await;
        let mut pause = Duration::ZERO;
        let stopping = Arc::clone(&app);
        blocking(LOOKING, move || keep_stopped(&stopping)).await;
        let looking = Arc::clone(&app);
        blocking(LOOKING, move || looking.note_unseen_death()).await;
        loop {
            let looking = Arc::clone(&app);
            let taken = app.agent.times_taken();
            let found = blocking(LOOKING, move || looking.agent.instance()).await;
            if let Some(instance) = found {
                let looking = Arc::clone(&app);
                // systemd or an administrator may have started it.
                blocking(LOOKING, move || looking.refresh()).await;
                let life = follow(&app, &instance, taken).await;
                if life.long {
                    pause = Duration::ZERO;
                }
                let looking = Arc::clone(&app);
                blocking(LOOKING, move || note_death(&looking, &instance, life.taken)).await;
            }
            let next = if app.agent.is_kept_stopped() { pause.min(STOPPED_LOOKS) } else { pause };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = app.agent.changed.notified() => pause = Duration::ZERO,
            }
            let (first, most) =
                (app.settings.config.run.backoff.0, app.settings.config.run.backoff_max.0);
            pause = (pause * 2).clamp(first, most.max(first));
            let starting = Arc::clone(&app);
            blocking("the start of an agent", move || start_if_wanted(&starting)).await;
        }
    });
}

/// What was seen of an agent's life.
struct Life {
    /// Whether it was longer than the longest pause, so that its death is a new story.
    long: bool,
    /// How often a transaction or an operator had taken the agent when it was last seen alive.
    taken: u64,
}

/// Waits for the agent's end, and keeps its log within its bound meanwhile.
async fn follow(app: &Arc<App>, instance: &Instance, mut taken: u64) -> Life {
    let since = tokio::time::Instant::now();
    let long = app.settings.config.run.backoff_max.0;
    let mut looks = tokio::time::interval(LOG_LOOKS);
    let mut settled = pin!(tokio::time::sleep(long));
    let mut is_settled = false;
    loop {
        tokio::select! {
            biased;
            _ = instance.exited() => break,
            () = &mut settled, if !is_settled => {
                is_settled = true;
                let looking = Arc::clone(app);
                blocking(LOOKING, move || looking.refresh()).await;
            }
            _ = looks.tick() => {
                let now_taken = app.agent.times_taken();
                if instance.is_alive() {
                    taken = now_taken;
                }
                let app = Arc::clone(app);
                blocking(LOOKING, move || look_after(&app)).await;
            }
        }
    }
    Life { long: since.elapsed() >= long, taken }
}

fn look_after(app: &App) {
    app.refresh_room();
    app.keep_reserve();
    let status = app.status.get();
    if !status.warnings.is_empty() || !status.health().healthy {
        // What could not be read a while ago may be readable again.
        app.refresh();
    }
    if let Err(error) = app.agent.runner().tend_log() {
        tracing::warn!(app = %app.settings.name, "{}: {}", app.settings.name, failed_to(&error));
    }
}

/// Keeps what the agent died of, unless a transaction or an operator has ended it.
fn note_death(app: &App, instance: &Instance, taken: u64) {
    {
        let _turn = app.agent.wait_for_turn();
        if app.agent.times_taken() == taken && !app.agent.is_kept_stopped() {
            app.note_death(instance);
        }
    }
    app.refresh();
}

fn keep_stopped(app: &App) {
    let _held = app.agent.wait_for_turn();
    if let Err(failure) = app.keep_stopped() {
        tracing::warn!(app = %app.settings.name, "{}: {}", app.settings.name, failure.problem.detail);
    }
}

fn start_if_wanted(app: &App) {
    // A transaction that is past its switch has the agent in its hands: this waits for its end.
    let _held = app.agent.wait_for_turn();
    let active = app.settings.layout.slot(Slot::Active).ok().flatten();
    let (runner, Some(active)) = (app.agent.runner(), active) else { return };
    if app.agent.is_kept_stopped() {
        app.refresh();
        return;
    }
    if app.agent.instance().is_some() || app.agent.may_be_in_a_transactions_hands() {
        return;
    }
    if runner.restarts_by_itself() {
        return;
    }
    let launch = app.settings.refuse_foreign_data(&active).and_then(|()| app.agent.launch(&active));
    let launched = match launch {
        // It has no process.
        Ok(None) => return,
        Ok(Some(launch)) => runner.start(&launch).map_err(|error| failed_to(&error)),
        Err(failure) => Err(failure.problem.detail.clone()),
    };
    let detail = match launched {
        Ok(instance) => format!("was started as process {}", instance.process().pid),
        Err(error) => {
            app.note_failed_start(active, &error);
            app.refresh();
            return;
        }
    };
    tracing::info!(app = %app.settings.name, "{}: the agent {detail}", app.settings.name);
    app.status.publish(None, EventKind::Agent { detail });
    app.refresh();
}
