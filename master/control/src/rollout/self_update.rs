//! A host's updater, replaced after its app is good.

use std::time::Duration;

use engine::Row;
use protocol::{HostOutcome, Status};
use tokio::time::{Instant, sleep};

use crate::updater_client::{Heard, Listener, Push, UpdaterClient};

/// How long a new updater has to answer, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// Sends the updater its own release, and believes only a new connection on which that digest
/// answers. `row` is what the host came to so far.
pub(super) async fn update(
    worker: &UpdaterClient,
    push: &Push,
    row: Row,
    listener: Listener,
) -> Row {
    if worker.health().await.is_ok_and(|health| health.digest == push.digest) {
        return noted(row, "its updater is the one asked for already");
    }
    listener(Heard::UpdatingSelf);
    let answer = worker.update_self(push, listener).await;
    if let Ok(answer) = &answer
        && answer.status == Status::Failed
    {
        let code = answer.code.clone();
        let detail = answer.detail.clone().unwrap_or_default();
        let failed = failed(row, &format!("refused: {detail}"));
        return Row { output: answer.output.clone(), code: code.or(failed.code), ..failed };
    }
    let begun = Instant::now();
    loop {
        let seen = match worker.health().await {
            Ok(health) if health.digest == push.digest => {
                return noted(row, &format!("its updater is now {}", push.digest.short()));
            }
            Ok(health) => format!("{} still answers", health.digest.short()),
            Err(error) => error.row(),
        };
        if begun.elapsed() >= PATIENCE {
            let sent = answer.map_or_else(|error| format!("; {}", error.row()), |_| String::new());
            let seconds = PATIENCE.as_secs();
            return failed(row, &format!("not there after {seconds} s: {seen}{sent}"));
        }
        sleep(PAUSE).await;
    }
}

fn noted(row: Row, words: &str) -> Row {
    let detail = row.detail.map_or_else(|| words.to_owned(), |detail| format!("{detail}; {words}"));
    Row { detail: Some(detail), ..row }
}

fn failed(row: Row, words: &str) -> Row {
    Row {
        outcome: HostOutcome::Failed,
        code: Some("self_update_failed".to_owned()),
        detail: Some(format!("the app is good, but the new updater was {words}")),
        ..row
    }
}
