//! Proving the release that runs: by its probe, by the master's return, and by watching it.

use std::time::Duration;

use protocol::{Code, Digest, EventKind, Kind, ProbeKind, ProbeReport, Problem, TransactionId};
use tokio::time::Instant;

use super::Engine;
use crate::probe::{Answer, Expectation, ProbeMistake, Watch, prove, watch};
use crate::runner::Instance;
use crate::sys::{BootTime, checkpoint};
use crate::transaction::machine::Direction;
use crate::transaction::{Evidence, Failure, FailureOrigin, StatusBoard};

/// How long the program that runs is asked whether the probe is wrong in itself; by TLS, so long after the time
/// that an answer may take.
const MISTAKE_LOOK: Duration = Duration::from_secs(3);

impl Engine {
    /// Asks until the release has shown that it is the one that answers.
    pub(super) fn prove(&mut self) -> Result<(), Failure> {
        let (release, instance) = self.agent()?;
        if instance.is_none() {
            self.refuse_changed_tree(&release)?;
        }
        let expectation = self.expectation(release, instance.clone());
        let stop = self.stop_signal();
        let mut notes =
            ProbeNotes::new(&self.app.status, &self.journal.transaction, &mut self.evidence);
        let probe = &self.app.agent.probe;
        let proving = prove(probe, &expectation, |answer: &Answer| notes.take(answer));
        let report = stop.or(&self.app.handle, proving)?;
        let (passed, is_silent) = (report.passed, report.attempts == 0);
        let slow = self.may_be_slow(&report, instance.as_ref());
        let detail = [Some(report.detail.clone()), slow].into_iter().flatten().collect::<Vec<_>>();
        if self.journal.direction == Direction::Forward || passed {
            self.report = Some(report);
        }
        if passed {
            checkpoint("proven");
            return Ok(());
        }
        let failure = self.unproven(&detail.join("; "), instance.as_ref());
        if instance.is_none() {
            return Err(failure);
        }
        let failure = self.or_of_who_has_the_port(failure, instance.as_ref());
        let failure = if is_silent { self.or_of_a_forbidden_port(failure) } else { failure };
        Err(self.or_of_the_probe(failure, &expectation))
    }

    /// The first release of a host may be well, and its probe wrong in itself: no program has ever passed it.
    fn or_of_the_probe(&self, failure: Failure, expected: &Expectation) -> Failure {
        let is_first = self.journal.from.is_none() && self.journal.kind != Kind::SelfUpdate;
        let lives = expected.instance.as_ref().is_some_and(Instance::is_alive);
        if !is_first || !lives || failure.origin == FailureOrigin::Host {
            return failure;
        }
        let Some((mistake, _)) = self.mistake_of_probe(expected) else { return failure };
        let detail = format!(
            "{}; the probe of this host is wrong in itself, and no release could pass it: {mistake}; mend \
             [app.{}.health] there",
            failure.problem.detail, self.app.settings.name
        );
        Failure::host_problem(Problem { detail, ..*failure.problem })
    }

    /// What gives a program more time that runs and has not answered yet.
    fn may_be_slow(&self, report: &ProbeReport, instance: Option<&Instance>) -> Option<String> {
        let is_silent = !report.passed && report.attempts == 0;
        let runs = instance.is_some_and(Instance::is_alive);
        let is_new = self.journal.direction == Direction::Forward;
        let asks_itself = self.journal.kind == Kind::SelfUpdate;
        (is_silent && runs && is_new && !asks_itself).then(|| {
            let app = &self.app.settings.name;
            format!(
                "it runs and has not answered yet: if it needs longer to start, raise [app.{app}.health] attempts"
            )
        })
    }

    /// A probe that is wrong in itself, as the program shows that runs, would take back every release: it is
    /// the host's, and told before anything is touched.
    pub(super) fn refuse_wrong_probe(&self) -> Result<(), Failure> {
        let Some(from) = self.journal.from else { return Ok(()) };
        if self.force || self.journal.kind == Kind::SelfUpdate || self.journal.to == Some(from) {
            return Ok(());
        }
        let Some(instance) = self.app.agent.running_instance(&from) else { return Ok(()) };
        let expected = self.app.settings.expectation(from, None, Some(instance), false);
        let Some((mistake, answer)) = self.mistake_of_probe(&expected) else { return Ok(()) };
        let detail = format!(
            "the probe of this host fails on the program that runs, and no release could pass it: {mistake} \
             ({}); mend [app.{}.health] there, or say --force",
            answer.words(),
            self.app.settings.name
        );
        Err(Failure::host_problem(Problem::new(Code::NotSupported, detail)))
    }

    /// What is wrong with the probe itself, as a program shows that runs. One that does not answer says nothing
    /// of the probe, and keeps no update waiting.
    fn mistake_of_probe(&self, expected: &Expectation) -> Option<(ProbeMistake, Answer)> {
        let probe = &self.app.agent.probe;
        if probe.kind() == ProbeKind::None || probe.kind() == ProbeKind::Command {
            return None;
        }
        let looking = async {
            let answer = probe.ask(expected).await;
            let mistake = probe.mistake(&answer, expected).await;
            mistake.map(|mistake| (mistake, answer))
        };
        let by_tls = probe.kind() == ProbeKind::Https;
        let patience = MISTAKE_LOOK + if by_tls { probe.plan().timeout } else { Duration::ZERO };
        let looked = async { tokio::time::timeout(patience, looking).await };
        self.app.handle.block_on(looked).ok().flatten()
    }

    /// Waits until the master has come back on a new connection.
    pub(super) fn await_confirmation(&mut self) -> Result<(), Failure> {
        let window = self.app.settings.config.confirm_window;
        let left = self.remaining(window.0);
        let confirmed = self.app.signals.confirmed(self.transaction().clone(), left);
        if self.stop_signal().or(&self.app.handle, confirmed)? {
            return Ok(());
        }
        let detail = format!("the master did not reach this host again within {window}");
        Err(Failure::release_problem(Problem::new(Code::RolledBack, detail)))
    }

    /// Goes on asking for the rest of the watch.
    pub(super) fn watch(&mut self) -> Result<(), Failure> {
        let (release, instance) = self.agent()?;
        let expectation = self.expectation(release, instance.clone());
        let left = self.remaining(self.journal.watch.0);
        let begin = if self.resumed { Watch::resumed } else { Watch::new };
        let probe = &self.app.agent.probe;
        let whole = begin(probe.plan().clone(), Instant::now(), left);
        let stop = self.stop_signal();
        let mut notes =
            ProbeNotes::new(&self.app.status, &self.journal.transaction, &mut self.evidence);
        let watching = watch(probe, &expectation, whole, |answer: &Answer| notes.take(answer));
        let watched = stop.or(&self.app.handle, watching)?;
        checkpoint("watched");
        watched.map_err(|failure| self.unproven(&failure.to_string(), instance.as_ref()))
    }

    /// A release without a process is proven by its files, and by what its probe says besides.
    fn refuse_changed_tree(&self, release: &Digest) -> Result<(), Failure> {
        let Some(lost) = self.app.settings.damage(release)? else { return Ok(()) };
        let detail = format!("{lost} of {} is not as it was after its build", release.short());
        Err(Failure::host_problem(Problem::new(Code::RolledBack, detail)))
    }

    /// The release that is to be proven, and its agent, unless it has no process.
    fn agent(&self) -> Result<(Digest, Option<Instance>), Failure> {
        let release = self.destination()?;
        // One that was started here is known also if it has ended since, and how.
        let started = self.started.clone().filter(|started| started.digest() == release);
        let agent = started.or_else(|| self.app.agent.running_instance(&release));
        if agent.is_none() && !self.app.agent.has_process(&release)? {
            return Ok((release, None));
        }
        agent.map(|agent| (release, Some(agent))).ok_or_else(|| {
            let problem = Problem::new(Code::RolledBack, "the agent does not run any more");
            Failure::release_problem(Problem { output: self.agent_output(), ..problem })
        })
    }

    fn expectation(&self, release: Digest, instance: Option<Instance>) -> Expectation {
        let other = match self.journal.direction {
            Direction::Forward => self.journal.from,
            Direction::Back => self.journal.to,
        };
        let process_too = self.journal.from == self.journal.to;
        self.app.settings.expectation(release, other, instance, process_too)
    }

    /// What is left of a phase's time. It goes on while the updater is down or the machine sleeps;
    /// after a reboot it begins anew.
    fn remaining(&self, whole: Duration) -> Duration {
        let gone = BootTime::now().since(&self.journal.since_boot).unwrap_or_default();
        whole.saturating_sub(gone)
    }
}

/// Publishes and keeps each answer to the probe as it comes.
struct ProbeNotes<'a> {
    status: &'a StatusBoard,
    transaction: &'a TransactionId,
    evidence: &'a mut Evidence,
    attempt: u32,
}

impl<'a> ProbeNotes<'a> {
    const fn new(
        status: &'a StatusBoard,
        transaction: &'a TransactionId,
        evidence: &'a mut Evidence,
    ) -> Self {
        Self { status, transaction, evidence, attempt: 0 }
    }

    fn take(&mut self, answer: &Answer) {
        self.attempt += 1;
        let (attempt, passed, detail) = (self.attempt, answer.passed(), answer.words());
        let verdict = if passed { "passed" } else { "failed" };
        self.evidence.probe(format!("{attempt}: {verdict}: {detail}"));
        if let Some(body) = answer.body.as_ref().filter(|_| !passed) {
            self.evidence.answer = body.lines().map(str::to_owned).collect();
        }
        self.status.publish(Some(self.transaction), EventKind::Probe { attempt, passed, detail });
    }
}
