//! A host's updater, replaced after its app is good.

use std::time::Duration;

use engine::HostResult;
use protocol::{Code, HostOutcome, Status};
use tokio::time::{Instant, sleep};

use crate::updater_client::{Heard, Listener, Push, UpdaterClient};

/// How long a new updater has to answer, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(250);

/// Sends the updater its own release, and believes only a new connection on which that digest
/// answers. `result` is what the host came to so far.
pub(super) async fn update(
    client: &UpdaterClient,
    push: &Push,
    result: HostResult,
    listener: Listener,
) -> HostResult {
    if client.health().await.is_ok_and(|health| health.digest == push.digest) {
        return noted(result, "its updater is the one asked for already");
    }
    listener(Heard::UpdatingSelf);
    let answer = client.update_self(push, listener).await;
    if let Ok(answer) = &answer
        && answer.status == Status::Failed
    {
        let code = answer.code.clone();
        let detail = answer.detail.clone().unwrap_or_default();
        let failed = failed(result, &format!("refused: {detail}"));
        return HostResult { output: answer.output.clone(), code: code.or(failed.code), ..failed };
    }
    let begun = Instant::now();
    loop {
        let seen = match client.health().await {
            Ok(health) if health.digest == push.digest => {
                return noted(result, &format!("its updater is now {}", push.digest.short()));
            }
            Ok(health) => format!("{} still answers", health.digest.short()),
            Err(error) => error.one_line(),
        };
        if begun.elapsed() >= PATIENCE {
            let sent =
                answer.map_or_else(|error| format!("; {}", error.one_line()), |_| String::new());
            let seconds = PATIENCE.as_secs();
            return failed(result, &format!("not there after {seconds} s: {seen}{sent}"));
        }
        sleep(PAUSE).await;
    }
}

fn noted(result: HostResult, words: &str) -> HostResult {
    let detail =
        result.detail.map_or_else(|| words.to_owned(), |detail| format!("{detail}; {words}"));
    HostResult { detail: Some(detail), ..result }
}

fn failed(result: HostResult, words: &str) -> HostResult {
    HostResult {
        outcome: HostOutcome::Failed,
        code: Some(Code::SelfUpdateFailed.into()),
        detail: Some(format!("the app is good, but the new updater was {words}")),
        ..result
    }
}
