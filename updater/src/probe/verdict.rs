//! When to ask again, and when enough is known. It decides, and neither asks nor waits.

use std::time::Duration;

use tokio::time::Instant;

use super::Answer;
use crate::config::HealthConfig;

/// Until something answers, the agent is starting: it is asked often, so that nothing is lost.
const UNTIL_FIRST: Duration = Duration::from_millis(25);

/// The numbers of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Before the first question.
    pub warm_up: Duration,
    /// Answers before a release has failed.
    pub attempts: u32,
    /// Between two questions, once something answered.
    pub interval: Duration,
    pub timeout: Duration,
    /// Passes in a row that count as proof.
    pub passes: u32,
    /// Failures in a row that end a watch.
    pub watch_failures: u32,
}

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Ask(Instant),
    /// It is proven, or the watch is over.
    Passed,
    Failed,
}

/// The way to a verdict on a release that was just started.
#[derive(Debug, Clone)]
pub struct Verdict {
    plan: Plan,
    deadline: Instant,
    attempts: u32,
    row: u32,
}

impl Plan {
    /// How long an agent that was just started may take to answer at all.
    pub fn patience(&self) -> Duration {
        self.warm_up + self.interval * self.attempts + self.timeout
    }

    pub(super) fn read(health: &HealthConfig) -> Self {
        Self {
            warm_up: health.warm_up.0,
            attempts: health.attempts.max(1),
            interval: health.interval.0.max(Duration::from_millis(1)),
            timeout: health.timeout.0,
            passes: health.passes.max(1),
            watch_failures: health.watch_failures.max(1),
        }
    }
}

impl Verdict {
    /// Starts now. Something has to answer within `attempts` intervals and one `timeout`, after
    /// the warm-up.
    pub fn new(plan: Plan, now: Instant) -> Self {
        Self { deadline: now + plan.patience(), plan, attempts: 0, row: 0 }
    }

    /// When to ask first.
    pub fn first(&self, now: Instant) -> Instant {
        now + self.plan.warm_up
    }

    /// How many answers counted so far. Silence counts once something has answered.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes what came of the question asked at `asked`.
    pub fn take(&mut self, asked: Instant, now: Instant, answer: &Answer) -> Next {
        if self.attempts == 0 && !answer.answered {
            let again = now + UNTIL_FIRST.min(self.plan.interval);
            return if now >= self.deadline { Next::Failed } else { Next::Ask(again) };
        }
        self.attempts += 1;
        self.row = if answer.passed() { self.row + 1 } else { 0 };
        if self.row >= self.plan.passes {
            return Next::Passed;
        }
        // A row that has begun may be completed.
        if self.row == 0 && self.attempts >= self.plan.attempts {
            return Next::Failed;
        }
        Next::Ask(now.max(asked + self.plan.interval))
    }
}

/// The look at a proven release, until its end.
#[derive(Debug, Clone)]
pub struct Watch {
    plan: Plan,
    end: Instant,
    row: u32,
    /// Answers that are still to be seen, whatever the time is.
    owed: u32,
}

impl Watch {
    /// Goes on for `remaining`.
    pub fn new(plan: Plan, now: Instant, remaining: Duration) -> Self {
        Self { plan, end: now + remaining, row: 0, owed: 0 }
    }

    /// Goes on with a watch that no updater kept for a while. Its time may be over, and nothing was
    /// seen of it: so many answers are asked for as would end it.
    pub fn resumed(plan: Plan, now: Instant, remaining: Duration) -> Self {
        let owed = plan.watch_failures;
        Self { owed, ..Self::new(plan, now, remaining) }
    }

    /// When it is over; `None` while answers are owed.
    pub fn end(&self) -> Option<Instant> {
        (self.owed == 0).then_some(self.end)
    }

    /// When to ask first.
    pub fn first(&self, now: Instant) -> Next {
        self.next(now, now + self.plan.interval)
    }

    /// Takes what came of the question asked at `asked`. The end is looked at first: a failure
    /// after it is no failure of the watch.
    pub fn take(&mut self, asked: Instant, now: Instant, answer: &Answer) -> Next {
        if self.is_over(now) {
            return Next::Passed;
        }
        self.owed = self.owed.saturating_sub(1);
        self.row = if answer.passed() { 0 } else { self.row + 1 };
        if self.row >= self.plan.watch_failures {
            return Next::Failed;
        }
        self.next(now, now.max(asked + self.plan.interval))
    }

    fn next(&self, now: Instant, at: Instant) -> Next {
        match self.end() {
            _ if self.is_over(now) => Next::Passed,
            Some(end) => Next::Ask(end.min(at)),
            None => Next::Ask(at),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.end().is_some_and(|end| now >= end)
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Period, Proof};

    use super::super::answer::Shown;
    use super::*;

    fn plan(change: impl FnOnce(&mut HealthConfig)) -> Plan {
        let mut health = HealthConfig {
            attempts: 3,
            interval: Period(Duration::from_secs(1)),
            timeout: Period(Duration::from_secs(2)),
            ..HealthConfig::default()
        };
        change(&mut health);
        Plan::read(&health)
    }

    fn pass() -> Answer {
        Answer::healthy(String::new(), Ok(Shown::By(Proof::Echo)))
    }

    fn failure() -> Answer {
        Answer::failure(String::new())
    }

    fn silence() -> Answer {
        Answer::silence(String::new())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_asked_often_and_not_for_ever() {
        let start = Instant::now();
        let mut verdict = Verdict::new(plan(|_| {}), start);
        assert_eq!(verdict.take(start, start, &silence()), Next::Ask(start + UNTIL_FIRST));
        let late = start + 5 * SECOND;
        assert_eq!(verdict.take(late, late, &silence()), Next::Failed);
        assert_eq!(verdict.attempts(), 0);
    }

    #[test]
    fn after_a_first_answer_each_question_is_an_attempt() {
        let start = Instant::now();
        let mut verdict = Verdict::new(plan(|_| {}), start);
        assert_eq!(verdict.take(start, start, &failure()), Next::Ask(start + SECOND));
        assert_eq!(verdict.take(start, start, &silence()), Next::Ask(start + SECOND));
        assert_eq!(verdict.take(start, start, &failure()), Next::Failed);
    }

    #[test]
    fn passes_have_to_be_in_a_row() {
        let start = Instant::now();
        let mut verdict = Verdict::new(plan(|health| health.passes = 2), start);
        let again = Next::Ask(start + SECOND);
        assert_eq!(verdict.take(start, start, &pass()), again);
        assert_eq!(verdict.take(start, start, &failure()), again);
        // The last attempt begins a row, which may be completed.
        assert_eq!(verdict.take(start, start, &pass()), again);
        assert_eq!(verdict.take(start, start, &pass()), Next::Passed);
    }

    #[test]
    fn an_answer_without_a_proof_is_no_pass() {
        let start = Instant::now();
        let mut verdict = Verdict::new(plan(|health| health.attempts = 1), start);
        let unproven = Answer::healthy(String::new(), Err("who knows".to_owned()));
        assert_eq!(verdict.take(start, start, &unproven), Next::Failed);
    }

    #[test]
    fn lesson_23_one_failed_probe_is_not_death() {
        let start = Instant::now();
        let mut watch = Watch::new(plan(|health| health.watch_failures = 2), start, 60 * SECOND);
        for _ in 0..5 {
            assert_eq!(watch.take(start, start, &failure()), Next::Ask(start + SECOND));
            assert_eq!(watch.take(start, start, &pass()), Next::Ask(start + SECOND));
        }
        assert_eq!(watch.take(start, start, &silence()), Next::Ask(start + SECOND));
        assert_eq!(watch.take(start, start, &failure()), Next::Failed);
    }

    #[test]
    fn lesson_23_a_failure_after_the_end_of_the_watch_reverses_nothing() {
        let start = Instant::now();
        let mut watch = Watch::new(plan(|health| health.watch_failures = 1), start, SECOND);
        assert_eq!(watch.take(start, start + SECOND, &failure()), Next::Passed);
        let over = Watch::new(plan(|_| {}), start, Duration::ZERO);
        assert_eq!(over.first(start), Next::Passed);
    }

    #[test]
    fn a_watch_that_nobody_kept_is_not_over_before_it_has_seen_something() {
        let start = Instant::now();
        let plan = plan(|health| health.watch_failures = 2);
        let resumed = || Watch::resumed(plan.clone(), start, Duration::ZERO);
        let mut good = resumed();
        assert_eq!(good.first(start), Next::Ask(start + SECOND));
        assert_eq!(good.take(start, start, &pass()), Next::Ask(start + SECOND));
        assert_eq!(good.take(start, start, &pass()), Next::Passed);
        let mut bad = resumed();
        assert_eq!(bad.take(start, start, &failure()), Next::Ask(start + SECOND));
        assert_eq!(bad.take(start, start, &failure()), Next::Failed);
        // With time left it goes on as any other.
        let mut early = Watch::resumed(plan.clone(), start, 9 * SECOND);
        for _ in 0..3 {
            assert_eq!(early.take(start, start, &pass()), Next::Ask(start + SECOND));
        }
        assert_eq!(early.take(start, start + 9 * SECOND, &failure()), Next::Passed);
    }
}
