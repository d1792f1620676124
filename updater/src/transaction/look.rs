//! Outside of transactions: the app's own probe is asked of the program that runs, and what the agent
//! died of is kept. Nothing is started, stopped or undone for what is found.

use std::sync::Arc;
use std::time::Duration;

use common::{failed_to, state_file};
use protocol::{Digest, EventKind, FORMAT, LastProbe, Phase, ProbeKind, ReleaseSlot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::files::{Death, Deaths};
use super::parts::ProbeState;
use super::{AgentProcess, App, AppSettings, Failure, Unproven, UnprovenKind, try_lock};
use crate::probe::{Answer, Expectation, prove};
use crate::release::Slot;
use crate::runner::Instance;
use crate::sys::{blocking, wall_clock};

/// Lines that are kept of what an agent printed before it died, and characters of each.
const LAST_LINES: usize = 10;
const LINE_LENGTH: usize = 400;
/// Between two questions to an agent that was just started and does not take connections yet.
const STARTING: Duration = Duration::from_millis(100);

impl App {
    /// Asks the app's own probe until it passes, or has failed as often in a row as would end a watch,
    /// for at most so long. Not while a transaction is under way, which has a probe of its own.
    pub async fn ask_probe(self: &Arc<Self>, patience: Duration) {
        if self.agent.probe.kind() == ProbeKind::None {
            return;
        }
        let (began, deadline) = (wall_clock(), Instant::now() + patience);
        let Ok(_alone) = timeout_at(deadline, self.agent.asking.lock()).await else { return };
        // Another caller waited for the same answer.
        let answered = self.status.get().probe.is_some_and(|probe| began <= probe.last.at);
        let looking = Arc::clone(self);
        let expected = blocking("a look at an agent", move || looking.expectation()).await;
        let Some(expected) = expected.filter(|_| !answered) else { return };
        loop {
            let asked = Instant::now();
            let asking = self.agent.probe.ask(&expected);
            let Ok(answer) = timeout_at(deadline, asking).await else { return };
            let plan = self.agent.probe.plan();
            let pause = match self.take_answer(&expected, &answer) {
                AnswerTaken::Conclusive => {
                    let proving = self.prove_again(&expected);
                    // What is left is asked for the next time.
                    let _ = timeout_at(deadline, proving).await;
                    return;
                }
                AnswerTaken::Failure => plan.interval,
                AnswerTaken::Starting => STARTING.min(plan.interval),
            };
            let next = Instant::now().max(asked + pause);
            if next >= deadline || expected.agent_is_gone() {
                return;
            }
            sleep_until(next).await;
        }
    }

    /// What a passing answer has to show, where an agent of the active release runs, or it needs none, and
    /// no transaction has it in its hands.
    fn expectation(&self) -> Option<Expectation> {
        if self.status.get().phase != Phase::Idle {
            return None;
        }
        let active = self.settings.layout.slot(Slot::Active).ok().flatten()?;
        let instance = self.agent.running_instance(&active);
        if instance.is_none() && self.agent.has_process(&active).unwrap_or(true) {
            return None;
        }
        Some(self.settings.expectation(active, None, instance, false))
    }

    fn take_answer(&self, expected: &Expectation, answer: &Answer) -> AnswerTaken {
        let now = wall_clock();
        let plan = self.agent.probe.plan();
        let instance = expected.instance.as_ref();
        let young = instance.is_some_and(|it| now - it.started_at() < plan.patience());
        if !answer.answered && young {
            return AnswerTaken::Starting;
        }
        let status = self.status.get();
        // What began meanwhile has ended the program that was asked, or will.
        if status.phase != Phase::Idle || expected.agent_is_gone() {
            return AnswerTaken::Conclusive;
        }
        let (passed, detail) = (answer.passed(), answer.words());
        let answer = LastProbe { at: now, passed, failures: 0, detail };
        let before = status.probe.as_ref();
        // Where nothing was started, the release is what answers.
        let mark = instance.map_or_else(|| expected.digest.to_string(), |it| it.mark().to_owned());
        let next = ProbeState::and(before, &mark, answer, plan.watch_failures);
        self.tell_change(before.is_some_and(|before| before.failing), &next);
        let conclusive = next.last.passed || next.failing;
        self.status.update(|status| status.probe = Some(next));
        if conclusive { AnswerTaken::Conclusive } else { AnswerTaken::Failure }
    }

    fn tell_change(&self, was_failing: bool, next: &ProbeState) {
        let app = &self.settings.name;
        let detail = match (was_failing, next.failing) {
            (false, true) => format!("does not answer its probe: {}", next.last.detail),
            (true, false) if next.last.passed => "answers its probe again".to_owned(),
            _ => return,
        };
        if next.failing {
            tracing::warn!(%app, "{app}: the agent {detail}");
        } else {
            tracing::info!(%app, "{app}: the agent {detail}");
        }
        self.status.publish(None, EventKind::Agent { detail });
    }

    /// A host that was stranded by its own fault alone is not any more once the release that it was left with
    /// is proven as on a way back.
    async fn prove_again(self: &Arc<Self>, expected: &Expectation) {
        let status = self.status.get();
        let answers = status.probe.is_some_and(|probe| probe.last.passed);
        let stranded = status.unproven == Some(UnprovenKind::Stranded);
        if !stranded || !answers || expected.instance.is_none() {
            return;
        }
        let (looking, release) = (Arc::clone(self), expected.digest);
        let may = blocking("a look at a stranded host", move || looking.may_prove_again(&release));
        if !may.await || !prove(&self.agent.probe, expected, |_| {}).await.passed {
            return;
        }
        let (noting, expected) = (Arc::clone(self), expected.clone());
        let noted = blocking("a proof", move || noting.note_proven_again(&expected)).await;
        if let Err(failure) = noted {
            let app = &self.settings.name;
            tracing::warn!(%app, "{app}: that it is not stranded any more is not kept: {}", failure.problem.detail);
        }
    }

    /// Whether nothing but a fault of the host kept this release from being proven again, and it was proven
    /// here before.
    fn may_prove_again(&self, release: &Digest) -> bool {
        let kept = state_file::read::<Unproven>(&self.settings.files.unproven(), FORMAT);
        kept.is_ok_and(|kept| kept.is_some_and(|kept| kept.ends_with_the_fault()))
            && self.settings.release_states().is_ok_and(|states| states.proven(release))
    }

    fn note_proven_again(&self, expected: &Expectation) -> Result<(), Failure> {
        let (settings, release) = (&self.settings, expected.digest);
        // What is under way is an order's, and proves something itself.
        let Some(_lock) = try_lock(&settings.files.lock())? else { return Ok(()) };
        let active = settings.layout.slot(Slot::Active)?;
        let moved = active != Some(release) || settings.files.journal().exists();
        if moved || expected.agent_is_gone() || !self.may_prove_again(&release) {
            return Ok(());
        }
        let path = settings.files.unproven();
        let Some(kept) = state_file::read::<Unproven>(&path, FORMAT)? else { return Ok(()) };
        let now = wall_clock();
        settings.change_release_states(|states| states.proved(release, now))?;
        state_file::write(&path, &kept.proven(now))?;
        self.refresh();
        let app = &settings.name;
        let detail =
            format!("was proven to be of {}: the host is not stranded any more", release.short());
        tracing::info!(%app, "{app}: the agent {detail}");
        self.status.publish(None, EventKind::Agent { detail });
        Ok(())
    }

    /// Keeps what an agent died of while no updater looked, unless an updater has kept it already. Not
    /// while a transaction may have the agent in its hands, or where an operator wants it to stay down.
    pub(crate) fn note_unseen_death(&self) {
        let _turn = self.agent.wait_for_turn();
        if self.agent.is_kept_stopped() || self.agent.may_be_in_a_transactions_hands() {
            return;
        }
        let app = &self.settings.name;
        match self.agent.runner().ended_unseen() {
            Ok(Some(instance)) => {
                let deaths = self.status.get().deaths;
                if deaths.is_none_or(|deaths| !deaths.ended_with(instance.mark())) {
                    self.note_death(&instance);
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%app, "{app}: what the agent died of is not known: {}", failed_to(&error));
            }
        }
    }

    /// Keeps what an agent died of. It was in no transaction's hands, and an operator did not stop it.
    pub(crate) fn note_death(&self, instance: &Instance) {
        let exit = instance.exit();
        let at = exit.as_ref().map_or_else(wall_clock, |exit| exit.at);
        let how = exit.map_or_else(|| "ended".to_owned(), |exit| exit.describe());
        let output = self.agent.runner().last_lines(instance, LAST_LINES);
        let shorten = |line: String| line.chars().take(LINE_LENGTH).collect();
        self.keep_death(Death {
            digest: instance.digest(),
            how,
            at,
            output: output.into_iter().map(shorten).collect(),
            mark: Some(instance.mark().to_owned()),
            started_at: Some(instance.started_at()),
        });
    }

    /// Keeps why the agent of a release could not be started.
    pub(crate) fn note_failed_start(&self, digest: Digest, error: &str) {
        let how = format!("could not be started: {error}");
        let at = wall_clock();
        let output = Vec::new();
        self.keep_death(Death { digest, how, at, output, mark: None, started_at: None });
    }

    fn keep_death(&self, death: Death) {
        let app = &self.settings.name;
        let settled = self.settings.config.run.backoff_max.0;
        let before = self.status.get().deaths;
        let deaths = Deaths::and(before, death, settled);
        let told = format!("{}{}", deaths.last, deaths.last.last_words());
        tracing::warn!(%app, "{app}: the agent {told}");
        self.status.publish(None, EventKind::Agent { detail: told });
        if let Err(error) = state_file::write(&self.settings.files.deaths(), &deaths) {
            tracing::warn!(%app, "{app}: what the agent died of is not kept: {}", failed_to(&error));
        }
        // In one: who sees the death must not see the process that died as one that runs.
        self.status.update(|status| {
            status.deaths = Some(deaths);
            status.agent = AgentProcess::Dead;
        });
    }
}

/// What came of an answer.
enum AnswerTaken {
    /// It passed, or failed often enough; or it does not matter any more.
    Conclusive,
    /// It failed, and one failure is no verdict.
    Failure,
    /// The agent was just started.
    Starting,
}

impl AppSettings {
    /// What the answer of a release has to show. `other` is the release that ran before.
    pub(super) fn expectation(
        &self,
        release: Digest,
        other: Option<Digest>,
        instance: Option<Instance>,
        process_too: bool,
    ) -> Expectation {
        let version = |digest: &Digest| self.slot_release(ReleaseSlot::Store, digest).version;
        Expectation {
            digest: release,
            path: self.layout.release(&release),
            version: version(&release),
            old_version: other.as_ref().and_then(version),
            instance,
            process_too,
        }
    }
}
