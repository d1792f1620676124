//! Asking until there is a verdict. An exit of the agent is seen when it happens.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use protocol::ProbeReport;
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::Shown;
use super::{Answer, Expectation, Next, Probe, Verdict, Watch};
use crate::runner::ExitReport;

/// For so long at most is waited for how an agent ended that refuses connections because it ends: a process shuts
/// what it has open before it is known how it ended.
const EXIT_IS_TOLD: Duration = Duration::from_secs(5);

/// Why a watch ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchFailure {
    Exited(ExitReport),
    /// It failed too often in a row.
    Unhealthy {
        failures: u32,
        /// What was seen last.
        detail: String,
    },
}

impl fmt::Display for WatchFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(exit) => {
                write!(formatter, "the agent {} during the watch", exit.describe())
            }
            Self::Unhealthy { failures: 1, detail } => {
                write!(formatter, "a failure during the watch: {detail}")
            }
            Self::Unhealthy { failures, detail } => {
                write!(
                    formatter,
                    "{failures} failures in a row during the watch, the last: {detail}"
                )
            }
        }
    }
}

/// Asks until the release is proven or has failed. `on_answer` gets every answer that counts.
pub async fn prove(
    probe: &Probe,
    expected: &Expectation,
    mut on_answer: impl FnMut(&Answer),
) -> ProbeReport {
    let mut report = ProbeReport {
        passed: false,
        kind: probe.kind(),
        proof: None,
        attempts: 0,
        detail: String::new(),
    };
    let started = Instant::now();
    let mut verdict = Verdict::new(probe.plan().clone(), started);
    let mut exited = pin!(expected.agent_exited());
    let mut at = verdict.first(started);
    let mut tries = 0_u32;
    loop {
        let asked = async {
            sleep_until(at).await;
            (Instant::now(), probe.ask(expected).await)
        };
        let (asked, answer) = tokio::select! {
            biased;
            exit = &mut exited => {
                report.detail = format!("the agent {}", exit.describe());
                return report;
            }
            answer = asked => answer,
        };
        tries += 1;
        let now = Instant::now();
        let next = verdict.take(asked, now, &answer);
        report.attempts = verdict.attempts();
        if report.attempts > 0 {
            on_answer(&answer);
        }
        report.detail = answer.words();
        match next {
            Next::Ask(then) => at = then,
            Next::Passed => {
                report.passed = true;
                report.proof = answer.shown.and_then(Shown::proof);
                return report;
            }
            Next::Failed => {
                if let Some(exit) = exit_of_ending(expected, exited).await {
                    report.detail = format!("the agent {}", exit.describe());
                } else if report.attempts == 0 {
                    let waited = now - started;
                    report.detail = format!(
                        "nothing answered within {waited:.1?} ({tries} tries; the program still runs), the \
                         last: {}; if it starts slowly, raise health.attempts or health.warm_up",
                        report.detail
                    );
                }
                return report;
            }
        }
    }
}

/// Goes on asking until the watch is over. Dropping it ends it; nothing is left behind.
pub async fn watch(
    probe: &Probe,
    expected: &Expectation,
    mut watch: Watch,
    mut on_answer: impl FnMut(&Answer),
) -> Result<(), WatchFailure> {
    let mut exited = pin!(expected.agent_exited());
    let mut next = watch.first(Instant::now());
    loop {
        let Next::Ask(at) = next else { return Ok(()) };
        let asked = async {
            sleep_until(at).await;
            (Instant::now(), probe.ask(expected).await)
        };
        let over = async {
            match watch.end() {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let (asked, answer) = tokio::select! {
            biased;
            exit = &mut exited => return Err(WatchFailure::Exited(exit)),
            () = over => return Ok(()),
            answer = asked => answer,
        };
        on_answer(&answer);
        next = watch.take(asked, Instant::now(), &answer);
        if next == Next::Failed {
            if let Some(exit) = exit_of_ending(expected, exited).await {
                return Err(WatchFailure::Exited(exit));
            }
            let failures = probe.plan().watch_failures;
            return Err(WatchFailure::Unhealthy { failures, detail: answer.words() });
        }
    }
}

/// How the agent ended, where it has or is about to: what it does not answer any more is no other failure.
async fn exit_of_ending(
    expected: &Expectation,
    exited: impl Future<Output = ExitReport>,
) -> Option<ExitReport> {
    if !expected.agent_is_ending() {
        return None;
    }
    timeout(EXIT_IS_TOLD, exited).await.ok()
}
