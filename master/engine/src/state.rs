//! All that is known of a rollout. Only [`step`](crate::step) changes it, by way of the methods here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::{HostName, HostOutcome, Kind, Phase};
use time::OffsetDateTime;

use crate::breaker::Breaker;
use crate::{
    Action, Activity, BatchRanges, Command, HostActivity, HostOrder, HostResult, HostState, Notice,
    Observation, Plan, PlannedHost, QuarantineScope, Status,
};

/// The phase in which a host is until its updater says another.
pub(super) const FIRST_PHASE: Phase = Phase::Receiving;

/// A rollout. Hosts are named by their index in the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) batches: BatchRanges,
    pub(super) status: Status,
    pub(super) since: OffsetDateTime,
    pub(super) activity: Activity,
    /// The batch that is updated now, from 0.
    pub(super) batch: usize,
    pub(super) hosts: Vec<HostState>,
    pub(super) indices: BTreeMap<HostName, usize>,
    /// Hosts for which a command is out, and when each will have been silent for too long.
    pub(super) under_way: BTreeMap<usize, OffsetDateTime>,
    /// The same, by time.
    pub(super) deadlines: BTreeSet<(OffsetDateTime, usize)>,
    /// Hosts of the batch that have not been ordered yet.
    pub(super) waiting: BTreeSet<usize>,
    /// The next host to be observed before the start.
    pub(super) next_host: usize,
    /// Whether the batch is through only when a host of it took the release well.
    pub(super) needs_proof: bool,
    /// Observations from before this are stale: an operator has answered since.
    pub(super) observations_since: OffsetDateTime,
    pub(super) breaker: Breaker,
    /// None also while a rollback waits for the hosts that were ordered before it.
    pub(super) pending_rollback: Option<PendingRollback>,
    /// The operator whose process drives the rollout, and the epoch of its orders.
    pub(super) driver: Option<(String, u64)>,
    /// Why the rollout was aborted, or the operator who asked for the rollback.
    pub(super) reason: Option<String>,
    /// Whether this rollout has the release quarantined for the fleet.
    quarantined: bool,
}

/// What is left of a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingRollback {
    /// Hosts that are still to be taken back, the next one last.
    pub(super) left: Vec<usize>,
    /// Whether a host could not be taken back.
    pub(super) failed: bool,
    /// The batch whose hosts are taken back now.
    pub(super) batch: Option<usize>,
    /// When the batch before it is taken back.
    pub(super) resumes_at: Option<OffsetDateTime>,
}

impl State {
    /// A rollout before anything has happened.
    pub fn new(plan: Arc<Plan>, at: OffsetDateTime) -> Self {
        let host = |planned: &PlannedHost| {
            let seen = planned.observation.clone().map(|observation| (plan.made_at, observation));
            // What ran the release when the plan was made is looked at again.
            let awaited = planned.action.changes_host() || planned.action == Action::AlreadyCurrent;
            let result = (!awaited).then(|| Box::new(unchanged_result(planned)));
            HostState::new(at, seen, result)
        };
        let hosts: Vec<_> = plan.hosts.iter().map(host).collect();
        let names = plan.hosts.iter().enumerate().map(|(index, host)| (host.host.clone(), index));
        Self {
            indices: names.collect(),
            batches: BatchRanges::of(&plan.batches),
            hosts,
            status: Status::Planned,
            since: at,
            activity: Activity::Preflight,
            batch: 0,
            under_way: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: BTreeSet::new(),
            next_host: 0,
            needs_proof: true,
            // Of a plan that was kept, what it saw is not so any more.
            observations_since: at,
            breaker: Breaker::default(),
            pending_rollback: None,
            driver: None,
            reason: None,
            quarantined: false,
            plan,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the rollout stands, and since when.
    pub const fn status(&self) -> (&Status, OffsetDateTime) {
        (&self.status, self.since)
    }

    /// What a running rollout does, and on which batch, from 1.
    pub const fn activity(&self) -> (Activity, usize) {
        (self.activity, self.batch + 1)
    }

    /// The operator whose process drives the rollout, or drove it last.
    pub fn driver(&self) -> &str {
        self.driver.as_ref().map_or("", |(who, _)| who)
    }

    /// Why the rollout was aborted, or the operator who asked for the rollback.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The hosts with their plans, in the plan's order.
    pub fn hosts(&self) -> impl Iterator<Item = (&PlannedHost, &HostState)> {
        self.plan.hosts.iter().zip(&self.hosts)
    }

    /// A host with its plan.
    pub fn host(&self, name: &HostName) -> Option<(&PlannedHost, &HostState)> {
        let index = *self.indices.get(name)?;
        Some((&self.plan.hosts[index], &self.hosts[index]))
    }

    /// The batch of a host, from 1; none for a host that the plan leaves alone.
    pub fn batch_of(&self, name: &HostName) -> Option<usize> {
        self.batches.batch_of(*self.indices.get(name)?).map(|batch| batch + 1)
    }

    /// The hosts on which the release failed.
    pub fn failed(&self) -> Vec<HostName> {
        self.breaker.failed.iter().map(|&index| self.host_name(index).clone()).collect()
    }

    /// When the next deadline is reached, if nothing happens before.
    pub fn deadline(&self) -> Option<OffsetDateTime> {
        let of_hosts = self.deadlines.first().map(|(time, _)| *time);
        let of_rollout = match (&self.status, self.activity) {
            (status, _) if status.awaits_operator() => {
                Some(self.since + self.plan.policy.deadlines.answer.0)
            }
            (Status::Running, Activity::BetweenBatches(until)) => Some(until),
            (Status::RollingBack, _) => {
                self.pending_rollback.as_ref().and_then(|pending| pending.resumes_at)
            }
            _ => None,
        };
        of_hosts.into_iter().chain(of_rollout).min()
    }

    /// Whether nothing will happen by itself any more: the rollout is over or waits for an
    /// operator, and every host that was ordered has answered.
    pub fn is_idle(&self) -> bool {
        (self.status.is_final() || self.status.awaits_operator()) && self.under_way.is_empty()
    }

    /// Whether the rollout is over for good.
    pub fn is_over(&self) -> bool {
        self.status.is_final() && self.under_way.is_empty()
    }

    pub(super) fn host_name(&self, index: usize) -> &HostName {
        &self.plan.hosts[index].host
    }

    pub(super) fn enter(&mut self, status: Status, now: OffsetDateTime) {
        self.status = status;
        self.since = now;
    }

    /// Whether hosts of this rollout have not been ordered yet, and are to be.
    pub(super) fn has_hosts_left(&self) -> bool {
        let is_observed = |index: &usize| self.hosts[*index].activity == HostActivity::Observing;
        self.activity == Activity::Preflight
            || !self.waiting.is_empty()
            || self.next_batch().is_some()
            || self.under_way.keys().any(is_observed)
    }

    /// The next batch that has hosts, from 0.
    pub(super) fn next_batch(&self) -> Option<usize> {
        let later = self.batch + 1..self.plan.batches.len();
        later.into_iter().find(|&batch| !self.batches.hosts_of(batch).is_empty())
    }

    /// Whether hosts were taken back, or are.
    pub const fn is_taken_back(&self) -> bool {
        self.pending_rollback.is_some()
    }

    pub(super) fn is_below_parallel_limit(&self) -> bool {
        self.under_way.len() < self.plan.policy.parallel.get() as usize
    }

    /// Sends out the command that belongs to an activity of a host, and starts its deadlines.
    pub(super) fn dispatch(
        &mut self,
        index: usize,
        activity: HostActivity,
        now: OffsetDateTime,
        out: &mut Vec<Command>,
    ) {
        self.hosts[index].activity = activity;
        self.hosts[index].since = now;
        self.start_deadlines(index, now);
        out.extend(self.command_for(index, false));
    }

    /// Starts the time for the whole order of a host, and the deadline of its silence.
    pub(super) fn start_deadlines(&mut self, index: usize, now: OffsetDateTime) {
        let limit = self.plan.order_limit(index).0;
        let host = &mut self.hosts[index];
        host.due = host.activity.is_order().then(|| now + limit);
        self.restart_deadline(index, now);
    }

    /// The host gave a sign of life: the deadline of its silence starts again.
    pub(super) fn restart_deadline(&mut self, index: usize, now: OffsetDateTime) {
        let deadlines = &self.plan.policy.deadlines;
        let host = &self.hosts[index];
        let phase = match host.activity {
            HostActivity::Updating(Phase::Watching)
            | HostActivity::RollingBack(Phase::Watching) => {
                deadlines.phase.0.saturating_add(self.plan.longer_watch(index))
            }
            _ => deadlines.phase.0,
        };
        let until = match (host.activity, host.due) {
            (_, Some(due)) => due.min(now + phase),
            (_, None) => now + deadlines.observe.0,
        };
        self.clear_deadline(index);
        self.under_way.insert(index, until);
        self.deadlines.insert((until, index));
    }

    /// Nothing is expected from this host any more.
    fn clear_deadline(&mut self, index: usize) {
        if let Some(deadline) = self.under_way.remove(&index) {
            self.deadlines.remove(&(deadline, index));
        }
    }

    /// The host waits for its turn again.
    pub(super) fn requeue(&mut self, index: usize, now: OffsetDateTime) {
        self.clear_deadline(index);
        self.hosts[index].activity = HostActivity::Pending;
        self.hosts[index].since = now;
        let in_batch = self.batches.hosts_of(self.batch).contains(&index);
        if self.activity != Activity::Preflight && in_batch {
            self.waiting.insert(index);
        }
    }

    pub(super) fn record_result(
        &mut self,
        index: usize,
        result: HostResult,
        now: OffsetDateTime,
        out: &mut Vec<Command>,
    ) {
        self.clear_deadline(index);
        let host = &mut self.hosts[index];
        host.activity = HostActivity::Done;
        host.since = now;
        out.push(Command::of_result(&result));
        host.result = Some(Box::new(result));
    }

    /// The command that belongs to the present activity of a host.
    pub(super) fn command_for(&self, index: usize, again: bool) -> Option<Command> {
        let host = self.host_name(index).clone();
        match self.hosts[index].activity {
            HostActivity::Pending | HostActivity::Done => None,
            HostActivity::Observing => Some(Command::Observe { host }),
            HostActivity::Querying => {
                let stop = self.status == Status::RollingBack;
                self.order_for(index).map(|order| Command::QueryOutcome { host, order, stop })
            }
            HostActivity::Updating(_)
            | HostActivity::UpdatingSelf
            | HostActivity::RollingBack(_) => {
                self.order_for(index).map(|order| Command::Order { host, order, again })
            }
        }
    }

    /// The order that belongs to the present activity of a host.
    pub(super) fn order_for(&self, index: usize) -> Option<HostOrder> {
        match self.hosts[index].activity {
            HostActivity::Updating(_) | HostActivity::UpdatingSelf | HostActivity::Querying => {
                Some(self.forward_order(index))
            }
            HostActivity::RollingBack(_) => {
                self.plan.hosts[index].from.map(|to| HostOrder::Back { to })
            }
            _ => None,
        }
    }

    fn forward_order(&self, index: usize) -> HostOrder {
        let PlannedHost { action, to, updater, .. } = self.plan.hosts[index];
        let to = to.filter(|_| action != Action::UpdateSelf);
        HostOrder::Forward { to, updater }
    }

    /// Asks each host once more what became of an order that was left as unclear, or has it `stop`
    /// what it does for it; whether there was one.
    pub(super) fn ask_unclear(
        &mut self,
        stop: bool,
        now: OffsetDateTime,
        out: &mut Vec<Command>,
    ) -> bool {
        let unclear = |host: &HostState| {
            let outcome = host.result.as_ref().map(|result| result.outcome);
            host.activity == HostActivity::Done
                && outcome == Some(HostOutcome::Unclear)
                && (stop || !host.asked_again)
        };
        let asked: Vec<_> =
            (0..self.hosts.len()).filter(|&index| unclear(&self.hosts[index])).collect();
        for &index in &asked {
            self.hosts[index].asked_again = true;
            self.dispatch(index, HostActivity::Querying, now, out);
        }
        !asked.is_empty()
    }

    /// The release failed on a host: it is quarantined there, and for the fleet if it failed on a canary
    /// or on two hosts and was proven on none in this rollout.
    pub(super) fn quarantine(&mut self, result: &HostResult, canary: bool, out: &mut Vec<Command>) {
        let Some(release) = self.plan.target else { return };
        if self.plan.kind != Kind::Update || self.quarantined {
            return;
        }
        let mut hosts = self.failed();
        hosts.push(result.host.clone());
        self.quarantined = (canary || hosts.len() > 1) && !self.is_proven();
        let holds = if self.quarantined { QuarantineScope::Fleet } else { QuarantineScope::Host };
        let why = result.detail.clone().unwrap_or_else(|| result.outcome.into_str().to_owned());
        let notice = Notice::quarantined(release, result.host.clone(), why, holds, hosts);
        out.push(Command::Announce(notice));
    }

    /// The release was proven on a host: what it failed of on others was theirs.
    pub(super) fn forgive(&mut self, host: &HostName, out: &mut Vec<Command>) {
        if let Some(release) = self.plan.target.filter(|_| self.quarantined) {
            self.quarantined = false;
            out.push(Command::Announce(Notice::forgiven(release, host)));
        }
    }

    fn is_proven(&self) -> bool {
        let updated = |host: &HostState| {
            host.result.as_ref().is_some_and(|result| result.outcome == HostOutcome::Updated)
        };
        self.hosts.iter().any(updated)
    }
}

/// The result of a host that the plan leaves alone.
fn unchanged_result(planned: &PlannedHost) -> HostResult {
    let outcome = match planned.action {
        Action::AlreadyCurrent => HostOutcome::AlreadyCurrent,
        Action::Unreachable => HostOutcome::Unreachable,
        Action::Skip => HostOutcome::Skipped,
        Action::Refuse | Action::Update | Action::Rollback | Action::UpdateSelf => {
            HostOutcome::Failed
        }
    };
    // Of one that is left out the plan knows what runs there only from the host itself.
    let reached = planned.action == Action::Skip
        || matches!(&planned.observation, Some(Observation::Reported(_)));
    HostResult {
        code: planned.code.clone(),
        detail: planned.detail.clone(),
        from: planned.from,
        to: planned.from.filter(|_| reached),
        needed: planned.needed,
        free: planned.free,
        ..HostResult::new(&planned.host, outcome)
    }
}
