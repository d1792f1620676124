//! All that is known of a rollout. Only [`step`](crate::step) changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::{HostName, HostOutcome, Phase};
use time::OffsetDateTime;

use crate::back::Back;
use crate::breaker::Breaker;
use crate::{
    Action, Command, Division, Host, HostOrder, HostStatus, Notice, Observation, Plan, PlannedHost,
    Row, Stage, Status,
};

/// A rollout. Hosts are known by their place in the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) division: Division,
    pub(super) status: Status,
    pub(super) since: OffsetDateTime,
    pub(super) stage: Stage,
    /// The batch that is updated now, from 0.
    pub(super) batch: usize,
    pub(super) hosts: Vec<Host>,
    pub(super) places: BTreeMap<HostName, usize>,
    /// Hosts for which a command is out, and when each will have been silent for too long.
    pub(super) under_way: BTreeMap<usize, OffsetDateTime>,
    /// The same, by time.
    pub(super) deadlines: BTreeSet<(OffsetDateTime, usize)>,
    /// Hosts of the batch that have not been ordered yet.
    pub(super) waiting: BTreeSet<usize>,
    /// The next host to be looked at before the start, or to be staged ahead.
    pub(super) next: usize,
    /// Looks at hosts before this are not trusted: somebody was waited for.
    pub(super) trusted: OffsetDateTime,
    pub(super) breaker: Breaker,
    /// What is left of a rollback; none while hosts that were ordered before are waited for.
    pub(super) back: Option<Back>,
    /// Who drives it, and the epoch of their orders.
    pub(super) driver: Option<(String, u64)>,
    /// Why it was ended by somebody, or in whose name it is rolled back.
    pub(super) because: Option<String>,
    quarantined: bool,
}

impl State {
    /// A rollout before anything has happened.
    pub fn planned(plan: Arc<Plan>, at: OffsetDateTime) -> Self {
        let host = |planned: &PlannedHost| {
            let seen = planned.seen.clone().map(|seen| (plan.made_at, seen));
            let row = (!planned.action.is_a_change()).then(|| Box::new(untouched(planned)));
            Host::new(at, seen, row)
        };
        let hosts: Vec<_> = plan.hosts.iter().map(host).collect();
        let names = plan.hosts.iter().enumerate().map(|(place, host)| (host.host.clone(), place));
        Self {
            places: names.collect(),
            division: Division::of(&plan.batches),
            hosts,
            status: Status::Planned,
            since: at,
            stage: Stage::Preflight,
            batch: 0,
            under_way: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: BTreeSet::new(),
            next: 0,
            trusted: plan.made_at,
            breaker: Breaker::default(),
            back: None,
            driver: None,
            because: None,
            quarantined: false,
            plan,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where it stands, and since when.
    pub const fn status(&self) -> (&Status, OffsetDateTime) {
        (&self.status, self.since)
    }

    /// What a running rollout does, and on which batch, from 1.
    pub const fn stage(&self) -> (Stage, usize) {
        (self.stage, self.batch + 1)
    }

    /// Who drives it, or drove it last.
    pub fn driver(&self) -> &str {
        self.driver.as_ref().map_or("", |(who, _)| who)
    }

    /// Why it was ended, if somebody ended it.
    pub fn because(&self) -> Option<&str> {
        self.because.as_deref()
    }

    /// The hosts with their plans, in the plan's order.
    pub fn hosts(&self) -> impl Iterator<Item = (&PlannedHost, &Host)> {
        self.plan.hosts.iter().zip(&self.hosts)
    }

    /// A host with its plan.
    pub fn host(&self, name: &HostName) -> Option<(&PlannedHost, &Host)> {
        let place = *self.places.get(name)?;
        Some((&self.plan.hosts[place], &self.hosts[place]))
    }

    /// The batch of a host, from 1; none for one that is left alone.
    pub fn batch_of(&self, name: &HostName) -> Option<usize> {
        self.division.batch_of(*self.places.get(name)?).map(|batch| batch + 1)
    }

    /// The hosts on which the release failed.
    pub fn failed(&self) -> Vec<HostName> {
        self.breaker.failed.iter().map(|&place| self.name(place).clone()).collect()
    }

    /// When a deadline comes, if nothing happens before.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        let host = self.deadlines.first().map(|(time, _)| *time);
        let own = match (&self.status, self.stage) {
            (status, _) if status.is_a_question() => {
                Some(self.since + self.plan.policy.deadlines.answer.0)
            }
            (Status::Running, Stage::Between(until)) => Some(until),
            _ => None,
        };
        host.into_iter().chain(own).min()
    }

    /// Whether nothing will happen by itself any more: it is over, or waits for somebody, and
    /// every host that was ordered has answered.
    pub fn rests(&self) -> bool {
        (self.status.is_final() || self.status.is_a_question()) && self.under_way.is_empty()
    }

    /// Whether it is over for good.
    pub fn is_over(&self) -> bool {
        self.status.is_final() && self.under_way.is_empty()
    }

    pub(super) fn name(&self, place: usize) -> &HostName {
        &self.plan.hosts[place].host
    }

    pub(super) fn enter(&mut self, status: Status, now: OffsetDateTime) {
        self.status = status;
        self.since = now;
    }

    /// Whether hosts of this rollout have not been ordered yet, and are to be.
    pub(super) fn hosts_remain(&self) -> bool {
        let looked_at = |place: &usize| self.hosts[*place].status == HostStatus::Preflight;
        self.stage == Stage::Preflight
            || !self.waiting.is_empty()
            || self.batch + 1 < self.plan.batches.len()
            || self.under_way.keys().any(looked_at)
    }

    pub(super) fn has_a_free_place(&self) -> bool {
        self.under_way.len() < self.plan.policy.parallel.get() as usize
    }

    /// A command goes out for a host, which has this long to answer.
    pub(super) fn begin(&mut self, place: usize, status: HostStatus, now: OffsetDateTime) {
        self.hosts[place].status = status;
        self.hosts[place].since = now;
        self.listen_to(place, now);
    }

    /// Somebody listens to a host from now on: the time for its whole order begins.
    pub(super) fn listen_to(&mut self, place: usize, now: OffsetDateTime) {
        let limit = self.plan.policy.deadlines.order.0;
        let host = &mut self.hosts[place];
        host.due = host.status.is_ordered().then(|| now + limit);
        self.wait_for(place, now);
    }

    /// A sign of life: the host's deadline starts again.
    pub(super) fn wait_for(&mut self, place: usize, now: OffsetDateTime) {
        let deadlines = &self.plan.policy.deadlines;
        let host = &self.hosts[place];
        let until = match (host.status, host.due) {
            (HostStatus::Staging, _) => now + deadlines.stage.0,
            (_, Some(due)) => due.min(now + deadlines.phase.0),
            (_, None) => now + deadlines.look.0,
        };
        self.forget(place);
        self.under_way.insert(place, until);
        self.deadlines.insert((until, place));
    }

    /// Nothing is waited for from this host any more.
    pub(super) fn forget(&mut self, place: usize) {
        if let Some(deadline) = self.under_way.remove(&place) {
            self.deadlines.remove(&(deadline, place));
        }
    }

    /// Back to where it waits for its turn.
    pub(super) fn requeue(&mut self, place: usize, now: OffsetDateTime) {
        self.forget(place);
        self.hosts[place].status = HostStatus::Pending;
        self.hosts[place].since = now;
        if self.stage != Stage::Preflight && self.division.hosts_of(self.batch).contains(&place) {
            self.waiting.insert(place);
        }
    }

    /// A host has its row.
    pub(super) fn end(
        &mut self,
        place: usize,
        row: Row,
        now: OffsetDateTime,
        out: &mut Vec<Command>,
    ) {
        self.forget(place);
        let host = &mut self.hosts[place];
        host.status = HostStatus::Done;
        host.since = now;
        out.push(Command::Tell(Notice::Host(Box::new(row.clone()))));
        host.row = Some(Box::new(row));
    }

    /// The command that is out for a host, according to where it stands.
    pub(super) fn command(&self, place: usize, again: bool) -> Option<Command> {
        let host = self.name(place).clone();
        match self.hosts[place].status {
            HostStatus::Pending | HostStatus::Done => None,
            HostStatus::Preflight => Some(Command::Look { host }),
            HostStatus::Staging => Some(Command::Stage { host }),
            HostStatus::Updating(_) | HostStatus::UpdatingSelf | HostStatus::Returning(_) => {
                self.order(place).map(|order| Command::Order { host, order, again })
            }
        }
    }

    /// What a host is ordered, according to where it stands.
    pub(super) fn order(&self, place: usize) -> Option<HostOrder> {
        match self.hosts[place].status {
            HostStatus::Updating(_) | HostStatus::UpdatingSelf => Some(self.forward(place)),
            HostStatus::Returning(_) => {
                self.plan.hosts[place].from.map(|to| HostOrder::Back { to })
            }
            _ => None,
        }
    }

    fn forward(&self, place: usize) -> HostOrder {
        let PlannedHost { action, to, updater, .. } = self.plan.hosts[place];
        let to = to.filter(|_| action != Action::UpdateSelf);
        HostOrder::Forward { to, updater }
    }

    /// The release is bad. That is said once.
    pub(super) fn quarantine(&mut self, row: &Row, out: &mut Vec<Command>) {
        let Some(release) = self.plan.target else { return };
        if self.plan.kind == protocol::Kind::Update && !self.quarantined {
            self.quarantined = true;
            let why = row.detail.clone().unwrap_or_else(|| row.outcome.name().to_owned());
            out.push(Command::Quarantine { release, host: row.host.clone(), why });
        }
    }
}

/// The row of a host that the plan leaves alone.
fn untouched(planned: &PlannedHost) -> Row {
    let outcome = match planned.action {
        Action::AlreadyCurrent => HostOutcome::AlreadyCurrent,
        Action::Unreachable => HostOutcome::Unreachable,
        Action::Skip => HostOutcome::Skipped,
        Action::Refuse | Action::Update | Action::Rollback | Action::UpdateSelf => {
            HostOutcome::Failed
        }
    };
    let reached = matches!(&planned.seen, Some(Observation::Here(_)));
    Row {
        code: planned.code.clone(),
        detail: planned.detail.clone(),
        from: planned.from,
        to: planned.from.filter(|_| reached),
        ..Row::new(&planned.host, outcome)
    }
}

/// The phase in which a host is until it says another.
pub(super) const FIRST_PHASE: Phase = Phase::Receiving;
