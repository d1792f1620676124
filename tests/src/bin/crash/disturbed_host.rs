//! A host that is disturbed again and again, as long as it bears it.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use fleet_tests::faults::{Call, CallFilter, CallInterceptor, Fault};
use fleet_tests::volume::{FileSystem, Volume};
use fleet_tests::{
    Answer, Behaviour, Host, LONG, Packing, Release, Sandbox, Setup, Tree, end_all, eventually,
};
use protocol::{Digest, Phase, Status};

use crate::false_sync::FalseSync;
use crate::fault::FaultKind;
use crate::scenario::Scenario;

/// The point after the answer.
pub(crate) const END: &str = "end";

/// A host, and who watches its updater.
pub(crate) struct DisturbedHost {
    // Before the host, which removes its directory.
    volume: Option<Volume>,
    pub(super) host: Host,
    pub(super) interceptor: CallInterceptor,
    pub(super) releases: u32,
    lies: Vec<FalseSync>,
}

/// How a scenario ended.
pub(super) struct ScenarioEnd {
    pub(super) old: Option<Digest>,
    /// The release that was ordered.
    pub(super) new: Release,
    /// The answer to the order; none where nobody waits for one.
    pub(super) answer: Option<Result<Answer>>,
    /// Whether the master was told that the new release runs.
    pub(super) updated: bool,
}

impl DisturbedHost {
    /// A new host, all of it on a file system of this kind if one is named.
    pub(crate) fn new(disk: Option<FileSystem>, lies: &[FalseSync]) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let volume = disk.map(|disk| Volume::on_disk(&sandbox.path().join("web-1"), disk));
        let volume = volume.transpose()?;
        let setup = Setup::default().health("watch", "'20ms'").health("attempts", "2");
        // A look at who answers is hundreds of calls, each of which is held up here.
        let setup = setup.health("timeout", "'20s'");
        let setup = setup.stores_data().self_update("takeover_timeout", "'10s'");
        let host = Host::alone_in(sandbox, &setup)?;
        let interceptor = CallInterceptor::new(&host.config(), &host.directory);
        let lies = lies.to_vec();
        let host = Self { volume, host, interceptor, releases: 0, lies };
        host.sync()?;
        host.start()?;
        Ok(host)
    }

    /// The calls that a scenario makes.
    pub(crate) fn record(&mut self, scenario: Scenario) -> Result<Vec<Call>> {
        // A host that has been updated a few times removes what it no longer keeps.
        for _ in 0..4 {
            let next = self.release(Scenario::Update)?;
            self.next(&next)?;
        }
        self.run(scenario, Vec::new())?;
        self.host.rests()?;
        let (seen, _) = self.interceptor.disarm();
        Ok(seen)
    }

    /// Disturbs a scenario at one call. False if the call was not reached.
    pub(crate) fn disturb(
        &mut self,
        scenario: Scenario,
        kind: FaultKind,
        at: &str,
    ) -> Result<bool> {
        let done = self.run(scenario, self.plans(kind, at)?)?;
        if at == END {
            self.volume.as_ref().map_or(Ok(()), |volume| Volume::cut(&volume.handle()?))?;
        } else if !self.interceptor.fired() {
            let rested = self.host.rests();
            // It may have come to the call only now.
            if !self.interceptor.fired() {
                rested?;
            }
        }
        let (_, fired) = self.interceptor.disarm();
        if fired.is_empty() && at != END {
            return Ok(false);
        }
        if kind.is_death() {
            self.after_death(scenario, &done)?;
        } else {
            self.after_error(scenario, kind, &done)?;
        }
        self.host.data_fits()?;
        self.goes_on(scenario, done.new).context("the next order")?;
        Ok(true)
    }

    /// The fault at its call, and the lies of the disk.
    fn plans(&self, kind: FaultKind, at: &str) -> Result<Vec<(CallFilter, Fault)>> {
        let handle = self.volume.as_ref().map(Volume::handle).transpose()?;
        let cut = move || handle.iter().for_each(|handle| drop(Volume::cut(handle)));
        let point = at.to_owned();
        let when: CallFilter =
            Box::new(move |call| call.to_string() == point && kind.befalls(call));
        let mut plans = vec![(when, kind.fault(cut))];
        for lie in self.lies.iter().copied() {
            let when: CallFilter = Box::new(move |call| lie.is_about(call));
            plans.push((when, Fault::Lie));
        }
        Ok(plans)
    }

    fn after_death(&self, scenario: Scenario, done: &ScenarioEnd) -> Result<()> {
        self.host.kill()?;
        if let Some(volume) = &self.volume {
            // Nothing outlives a power cut.
            end_all(&self.host.directory);
            volume.remount()?;
        }
        self.host.holds().context("after the crash")?;
        self.start()?;
        self.rests_soon().context("after the recovery")?;
        let active = self.active(scenario)?;
        let lost = done.updated && active != Some(done.new.digest);
        ensure!(!lost, "it was reported, and is not there");
        let known = active == done.old || active == Some(done.new.digest);
        ensure!(known, "{active:?} is active, neither the old release nor the new one");
        Ok(())
    }

    fn after_error(&self, scenario: Scenario, kind: FaultKind, done: &ScenarioEnd) -> Result<()> {
        if scenario.is_recovery() {
            let ended = || self.host.updater_processes().is_empty();
            eventually("the updater to answer, or to end", LONG, || {
                (ended() || self.host.health().is_ok()).then_some(())
            })?;
            if ended() {
                // It said why it cannot start; whoever looks after it starts it again.
                self.start()?;
            }
        }
        self.host.answers()?;
        self.rests_soon()?;
        let active = self.active(scenario)?;
        let expected = match &done.answer {
            None => return Ok(()),
            Some(Err(error)) => bail!("no answer came: {error:#}"),
            Some(Ok(answer)) if answer.status < 300 && scenario == Scenario::SelfUpdate => {
                // It was answered before the end, which the history tells.
                if done.updated { Some(done.new.digest) } else { done.old }
            }
            Some(Ok(answer)) if answer.status < 300 => {
                let status = answer.result()?.status;
                let rolled = status == Status::RolledBack;
                ensure!(rolled || status == Status::Updated, "the answer is {answer:?}");
                Some(done.new.digest)
            }
            Some(Ok(answer)) => {
                let problem = answer.problem()?;
                ensure!(kind.explains(&problem) || scenario.is_bad(), "the answer is {answer:?}");
                done.old
            }
        };
        ensure!(active == expected, "{active:?} is active, not {expected:?}: {:?}", done.answer);
        Ok(())
    }

    /// Carries a scenario out, disturbed by `plans`.
    fn run(&mut self, scenario: Scenario, plans: Vec<(CallFilter, Fault)>) -> Result<ScenarioEnd> {
        match scenario {
            Scenario::Install => self.empty()?,
            Scenario::SelfUpdate => return self.replace(plans),
            _ => {}
        }
        let mut new = self.release(scenario)?;
        let old = self.active(scenario)?;
        if scenario.is_recovery() {
            self.crash_first(scenario, &new)?;
            self.interceptor.arm(plans);
            self.host.start_intercepted(&self.interceptor)?;
            eventually("the recovery to end, one way or another", LONG, || {
                let idle = || self.host.app().is_ok_and(|app| app.state == Phase::Idle);
                let ended = self.host.updater_processes().is_empty();
                (self.interceptor.fired() || ended || idle()).then_some(())
            })?;
            return Ok(ScenarioEnd { old, new, answer: None, updated: false });
        }
        if scenario == Scenario::Rollback {
            if self.host.releases()?.prev.is_none() {
                let release = self.release(Scenario::Update)?;
                self.next(&release)?;
                return self.run(scenario, plans);
            }
            new.digest = self.host.releases()?.prev.context("there is a release to go back to")?;
        }
        self.interceptor.arm(plans);
        let answer = match scenario {
            Scenario::Rollback => self.host.rollback(),
            _ => self.host.push(&new),
        };
        let updated = answer.as_ref().is_ok_and(|answer| answer.status == 200);
        Ok(ScenarioEnd { old, new, answer: Some(answer), updated })
    }

    /// The crash that a recovery recovers from.
    fn crash_first(&self, scenario: Scenario, new: &Release) -> Result<()> {
        let when: CallFilter = Box::new(move |call| scenario.first_crash(call));
        self.interceptor.arm(vec![(when, Fault::Kill)]);
        ensure!(self.host.push(new).is_err(), "it was not killed");
        self.interceptor.disarm();
        self.host.kill()
    }

    /// An undisturbed order after it all works, without a hand on the host.
    fn goes_on(&mut self, scenario: Scenario, ordered: Release) -> Result<()> {
        if scenario == Scenario::SelfUpdate {
            return self.replace_again(&ordered);
        }
        // A release that cannot be proven stays so.
        let bad = scenario.is_bad();
        let release = if bad { self.release(Scenario::Update)? } else { ordered };
        self.next(&release)
    }

    fn next(&self, release: &Release) -> Result<()> {
        let result = self.host.push(release)?.result()?;
        let good = [Status::Updated, Status::AlreadyCurrent].contains(&result.status);
        ensure!(good, "{result:?}");
        self.host.rests()
    }

    pub(super) fn start(&self) -> Result<()> {
        self.host.start_intercepted(&self.interceptor)?;
        self.host.answers()
    }

    /// What could not be written down is tried again, and an agent that died with the power may
    /// be seen dying.
    fn rests_soon(&self) -> Result<()> {
        eventually("what was disturbed to be at rest", LONG, || self.host.rests().ok())
            .or_else(|_| self.host.rests())
    }

    /// Makes it a host that never had a release.
    fn empty(&self) -> Result<()> {
        self.host.kill()?;
        end_all(&self.host.install());
        for directory in [self.host.install(), self.host.directory.join("state")] {
            if directory.exists() {
                updater::release::remove_tree(&directory)?;
            }
        }
        fs::write(self.host.directory.join("updater.log"), "")?;
        self.sync()?;
        self.start()
    }

    /// What the updater did not write is there after a power cut too.
    pub(super) fn sync(&self) -> Result<()> {
        self.volume.as_ref().map_or(Ok(()), Volume::sync)
    }

    /// The release that is active; of the updater itself, the one that answers.
    fn active(&self, scenario: Scenario) -> Result<Option<Digest>> {
        if scenario == Scenario::SelfUpdate {
            return Ok(Some(self.host.health()?.digest));
        }
        Ok(self.host.releases()?.active)
    }

    /// A release for a scenario, which nobody has seen yet.
    fn release(&mut self, scenario: Scenario) -> Result<Release> {
        self.releases += 1;
        let message = format!("release {}", self.releases);
        let status = scenario.is_bad().then_some(500);
        let behaviour = Behaviour { message, status, ..Behaviour::default() };
        let tree = if scenario.migrates() {
            Tree::migrating(&behaviour)?
        } else {
            Tree::agent(&behaviour)?
        };
        tree.pack(Packing::Zstd)
    }
}
