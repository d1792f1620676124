//! Where rollouts are begun, answered, and gone on with.

use std::sync::Arc;
use std::time::Duration;

use common::failed_to;
use engine::{Event, Notice, Pause, Plan, Request, State, Status, describe_rollout, drive};
use explain::when;
use protocol::Kind;
use store::{
    Driver, Event as StoredEvent, Lease, Locked, Planned, Rollout, RolloutId, Sequence, Started,
    Store, StoredPlan,
};
use time::OffsetDateTime;

use crate::home::Home;
use crate::interrupt::Interrupt;
use crate::notify::{Hook, Notifier};
use crate::rollout::error::{Holder, WayOn};
use crate::rollout::host_orders::HostOrders;
use crate::rollout::ledger::{StoreLedger, last_shown};
use crate::rollout::process::CrashPoint;
use crate::rollout::record::{Record, parse};
use crate::rollout::updaters::{UpdaterClients, Updaters};
use crate::rollout::{
    Archives, Estimate, Observer, RolloutEnvironment, RolloutError, Sources, Summary, estimate,
    process,
};
use crate::updater_client::UpdaterClient;

/// How often a command that waits for its turn looks whether it has come.
const LOOK: Duration = Duration::from_millis(500);
/// How many hosts of before an estimate rests upon, at most.
const MEASURED: u32 = 500;
/// How long hooks that are still being told are waited for at the end.
const TELLS: Duration = Duration::from_secs(10);

/// What it takes to run rollouts.
pub struct Rollouts<'a> {
    pub home: &'a Home,
    /// Where it is written down.
    pub store: &'a Store,
    /// Who is told of what becomes of it.
    pub hooks: &'a [Hook],
    pub environment: &'a RolloutEnvironment,
    pub now: fn() -> OffsetDateTime,
    pub who: &'a str,
}

impl Rollouts<'_> {
    /// Refuses a release that failed before, unless it is to be tried again.
    pub fn check(&self, plan: &Plan) -> Result<(), RolloutError> {
        let Some(release) = plan.target else { return Ok(()) };
        if plan.kind == Kind::Rollback || plan.policy.options.retry_quarantined {
            return Ok(());
        }
        match self.store.quarantined(&plan.app, &release)? {
            Some(at) => Err(RolloutError::Quarantined { release, at: Box::new(at) }),
            None => Ok(()),
        }
    }

    /// Keeps a plan, so that an operator can have it carried out by its digest.
    pub fn keep(&self, plan: &Plan, sources: &Sources) -> Result<(), RolloutError> {
        Ok(self.store.keep_plan(&StoredPlan {
            digest: plan.digest(),
            planned: planned(plan, sources)?,
            who: self.who.to_owned(),
            made_at: plan.made_at,
        })?)
    }

    /// A plan that was kept, and where its archives were.
    pub fn kept(&self, digest: &protocol::Digest) -> Result<(Plan, Sources), RolloutError> {
        let Planned { plan, sources } = self.store.plan(digest)?.planned;
        Ok((parse(plan)?, parse(sources)?))
    }

    /// Writes a rollout down and locks its hosts. Nothing is ordered yet.
    pub fn begin(
        &self,
        plan: &Plan,
        sources: &Sources,
        begun_at: OffsetDateTime,
    ) -> Result<RolloutId, RolloutError> {
        let rollout = Rollout {
            id: RolloutId::new(),
            kind: plan.kind,
            app: plan.app.clone(),
            release: plan.target,
            selection: plan.selection.clone(),
            who: self.who.to_owned(),
            epoch: self.store.epoch()?,
            policy: serde_json::to_value(&plan.policy).map_err(RolloutError::Unreadable)?,
            started_at: begun_at,
            finished_at: None,
            result: None,
            state: "planned".to_owned(),
            plan: Some(plan.digest()),
            message: plan.message.clone(),
        };
        let told = StoredEvent::of_rollout(rollout.id, &Notice::planned(plan), begun_at, self.who);
        let addressed = plan.hosts.iter().filter(|host| host.action.host_answered());
        let hosts: Vec<_> = addressed.map(|host| host.host.clone()).collect();
        match self.store.start_rollout(&rollout, &planned(plan, sources)?, &hosts, &told)? {
            Started::Yes => Ok(rollout.id),
            Started::Locked(locked) => Err(self.locked(locked)?),
        }
    }

    /// A rollout that wants just the same as this plan and was left half way, by Ctrl-C or by a process
    /// that died, and its plan: it is gone on with then, since that is what was asked for.
    pub fn left_half_way(&self, plan: &Plan) -> Result<Option<(RolloutId, Plan)>, RolloutError> {
        for rollout in self.store.rollouts(true, u32::MAX)? {
            if rollout.plan.is_none() || self.driver(rollout.id)?.is_some() {
                continue;
            }
            let (id, record) = (rollout.id, Record::read(self.store, rollout)?);
            if !record.plan.is_same_request(plan) {
                continue;
            }
            match record.state(self.store, None)?.0.status().0 {
                Status::Planned | Status::Running => {}
                Status::Paused(Pause::Interrupted) => {
                    self.ask(record.rollout, &Request::Resume, None)?;
                }
                _ => continue,
            }
            return Ok(Some((id, Plan::clone(&record.plan))));
        }
        Ok(None)
    }

    /// Waits until one of these hosts is free, or all are; at most until then.
    pub async fn wait_for(
        &self,
        locked: &Locked,
        until: OffsetDateTime,
    ) -> Result<bool, RolloutError> {
        while (self.now)() < until {
            let mut free = true;
            for host in &locked.hosts {
                free &= self.store.holder(host)?.is_none();
            }
            if free {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }

    /// Drives a rollout until it rests, and tells `observer` of what happens.
    pub async fn drive(
        &self,
        id: RolloutId,
        archives: Archives,
        clients: UpdaterClients,
        interrupt: Interrupt,
        observer: &dyn Observer,
    ) -> Result<Summary, RolloutError> {
        let record = Record::read(self.store, self.store.rollout(id)?)?;
        let lease = self.lease(id)?;
        let ended = self.drive_with(record, lease, archives, clients, interrupt, observer).await;
        let left = self.store.leave_lease(&lease);
        let summary = ended?;
        left?;
        Ok(summary)
    }

    async fn drive_with(
        &self,
        record: Record,
        lease: Lease,
        archives: Archives,
        clients: UpdaterClients,
        interrupt: Interrupt,
        observer: &dyn Observer,
    ) -> Result<Summary, RolloutError> {
        let Self { store, now, who, .. } = *self;
        let (notifier, faults) = self.notifier();
        for fault in &faults {
            observer.note(fault);
        }
        let shown = last_shown(store, &record.rollout)?;
        let (id, plan) = (record.rollout.id, Arc::clone(&record.plan));
        let orders = HostOrders::new(id, plan, archives);
        let of_epoch = |client: UpdaterClient| client.of_epoch(lease.epoch);
        let clients = clients.into_iter().map(|(host, client)| (host, client.map(of_epoch)));
        let mut executor = Updaters::new(store, orders, clients.collect(), now, interrupt);
        let crash_point = CrashPoint::after(self.environment.crash_after_event);
        let mut ledger =
            StoreLedger { store, lease, record, observer, notifier, shown, crash_point };
        let driven = Event::DriverStarted { who: who.to_owned(), epoch: lease.epoch };
        let state = drive(&mut executor, &mut ledger, driven).await;
        for fault in ledger.notifier.finish(TELLS).await {
            observer.note(&fault);
        }
        Ok(Summary::of(id, &state?))
    }

    /// Tells of what happened after an event, where no driver does; gives back what could not be
    /// told.
    pub async fn announce(
        &self,
        id: RolloutId,
        after: Sequence,
    ) -> Result<Vec<String>, RolloutError> {
        let (notifier, mut faults) = self.notifier();
        for (_, told) in self.store.events_after(id, after)? {
            notifier.notify(&told);
        }
        faults.extend(notifier.finish(TELLS).await);
        Ok(faults)
    }

    /// The last event of a rollout so far.
    pub fn last_shown(&self, rollout: &Rollout) -> Result<Sequence, RolloutError> {
        Ok(last_shown(self.store, rollout)?)
    }

    fn notifier(&self) -> (Notifier, Vec<String>) {
        let (notifier, errors) =
            Notifier::start(self.hooks, self.environment.user_home.as_deref(), self.now);
        let unusable = |error| format!("this hook tells nothing: {}", failed_to(&error));
        (notifier, errors.into_iter().map(unusable).collect())
    }

    /// Asks something of a rollout. It is kept at once, whichever process drives.
    pub fn ask(
        &self,
        rollout: Rollout,
        request: &Request,
        because: Option<&str>,
    ) -> Result<State, RolloutError> {
        let now = (self.now)();
        let because = because.map(str::to_owned);
        let (who, request_made) = (self.who.to_owned(), request.clone());
        let event = Event::Requested { who, request: request_made, because };
        let record = Record::read(self.store, rollout)?;
        record.add(self.store, &event, now, |state| Ok(state.check(request, now)?))
    }

    /// The driver of a rollout, if there is one that is alive.
    pub fn driver(&self, id: RolloutId) -> Result<Option<String>, RolloutError> {
        let driver = self.store.driver(id)?;
        let alive =
            driver.filter(|driver| driver.until > (self.now)() && process::lives(&driver.claim));
        Ok(alive.as_ref().map(named))
    }

    /// How long a plan will take, by what was measured.
    pub fn estimate(&self, plan: &Plan) -> Result<Option<Estimate>, RolloutError> {
        let before = self.store.durations(&plan.app, plan.kind, MEASURED)?;
        Ok(estimate(plan, &before))
    }

    /// What a rollout was begun with.
    pub fn begun(&self, id: RolloutId) -> Result<(Plan, Sources), RolloutError> {
        let planned = self.store.planned(id)?.ok_or(RolloutError::TooOld(id))?;
        Ok((parse(planned.plan)?, parse(planned.sources)?))
    }

    fn lease(&self, id: RolloutId) -> Result<Lease, RolloutError> {
        let claim = process::claim(self.who);
        let taken = self.store.take_lease(id, &claim, process::lives, (self.now)())?;
        taken.map_err(|driver| RolloutError::Driven { rollout: id, driver: named(&driver) })
    }

    /// Who has the hosts, since when, where it stands, and until when.
    fn locked(&self, locked: Locked) -> Result<RolloutError, RolloutError> {
        let rollout = self.store.rollout(locked.rollout)?;
        let record = Record::read(self.store, rollout)?;
        let (state, _) = record.state(self.store, None)?;
        let Rollout { who, started_at, .. } = &record.rollout;
        let until = match self.estimate(&record.plan)? {
            _ if state.is_idle() => String::new(),
            Some(estimate) => {
                let seconds = i64::try_from(estimate.seconds).unwrap_or(i64::MAX);
                let at = *started_at + time::Duration::seconds(seconds);
                format!("; expected to be done about {}", when(at))
            }
            None => "; when it will be done is not known, no host has been measured yet".to_owned(),
        };
        let driver = self.driver(locked.rollout)?;
        let is_gone = driver.is_none() && !state.is_idle();
        // A rollout that is paused waits for an operator, and for nothing else.
        let way_on = match state.status().0 {
            _ if driver.is_some() => WayOn::Wait,
            Status::Paused(why) if why.needs_decision() => WayOn::Decide,
            Status::Paused(_) => WayOn::Resume,
            _ if is_gone => WayOn::Resume,
            _ => WayOn::Wait,
        };
        let driver = match driver {
            Some(driver) => format!("; driven by {driver}"),
            None if is_gone => "; the swarm process that drove it is gone".to_owned(),
            None => String::new(),
        };
        let words = format!(
            "{who} started it {}; {}{until}{driver}",
            when(*started_at),
            describe_rollout(&state)
        );
        Ok(RolloutError::Locked(locked, Holder { words, way_on }))
    }
}

fn named(driver: &Driver) -> String {
    format!("{} (process {})", driver.claim.who, driver.claim.pid)
}

fn planned(plan: &Plan, sources: &Sources) -> Result<Planned, RolloutError> {
    let plan = serde_json::to_value(plan).map_err(RolloutError::Unreadable)?;
    let sources = serde_json::to_value(sources).map_err(RolloutError::Unreadable)?;
    Ok(Planned { plan, sources })
}
