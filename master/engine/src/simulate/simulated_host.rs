//! A simulated host: what it runs, what it does, and what it says of that. It knows nothing of the
//! network, and goes on whether or not anybody listens.

use protocol::{AgentState, Code, Digest, HostOutcome, Phase};

use crate::simulate::network::{MINUTE, SECOND, Time};
use crate::{AppReport, HostReport, Observation};

/// Whose order it is: a host gets each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OrderKey {
    pub(super) rollout: usize,
    /// Whether it is to go back.
    pub(super) back: bool,
}

/// How a transaction is going to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) outcome: HostOutcome,
    pub(super) code: Option<&'static Code>,
    /// Whether the release was switched to; then the host runs it until the end.
    pub(super) switched: bool,
    /// What it runs afterwards.
    pub(super) runs: Option<Digest>,
}

/// One order that is being carried out, or that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) key: OrderKey,
    pub(super) target: Digest,
    pub(super) from: Option<Digest>,
    pub(super) began: Time,
    /// When it enters building, switching, probing and watching, as far as it comes.
    pub(super) steps: [Time; 4],
    /// When it ends; never, if it hangs.
    pub(super) ends: Option<Time>,
    pub(super) ending: Ending,
    /// Whether the release cuts the host off as soon as it runs.
    pub(super) cuts_off: bool,
    /// Whether it goes from building to probing and back for ever.
    pub(super) oscillates: bool,
}

/// A step that is not come to.
pub(super) const NEVER: Time = Time::MAX;

/// How long a host takes to go back to the release before.
pub(super) const REVERSAL: Time = 2 * SECOND;

/// How long a transaction that oscillates stays in a phase.
const OSCILLATION: Time = 30 * MINUTE;

/// The phases that begin at a transaction's steps.
pub(super) const STEPS: [Phase; 4] =
    [Phase::Building, Phase::Switching, Phase::Probing, Phase::Watching];

#[derive(Debug, Clone)]
pub(super) struct SimulatedHost {
    pub(super) active: Option<Digest>,
    pub(super) healthy: bool,
    /// The highest epoch that it has heard.
    pub(super) epoch: u64,
    pub(super) current: Option<Transaction>,
    pub(super) last: Option<Transaction>,
}

/// Why a host does not take an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderRefusal {
    Busy,
    StaleMaster,
}

impl SimulatedHost {
    pub(super) const fn new(active: Option<Digest>, healthy: bool) -> Self {
        Self { active, healthy, epoch: 0, current: None, last: None }
    }

    /// Brings it to a time, which never goes back.
    pub(super) fn at(&mut self, now: Time) -> &mut Self {
        if let Some(transaction) = self.current.take_if(|it| it.ends.is_some_and(|end| end <= now))
        {
            self.active = transaction.ending.runs;
            self.last = Some(transaction);
        }
        self
    }

    /// Its `/health`.
    pub(super) fn seen(&mut self, now: Time, updater: Digest) -> Observation {
        let host = self.at(now);
        let phase = host.current.as_ref().map_or(Phase::Idle, |transaction| transaction.phase(now));
        let agent = if host.healthy { AgentState::Running } else { AgentState::Dead };
        let app = AppReport {
            active: host.runs(now),
            phase,
            healthy: host.healthy,
            reason: None,
            stranded: false,
            agent,
            room: None,
            undoes_to: None,
            watch: None,
        };
        Observation::Reported(HostReport { app: Some(app), updater })
    }

    pub(super) fn runs(&mut self, now: Time) -> Option<Digest> {
        let host = self.at(now);
        match &host.current {
            Some(it) if it.ending.switched && it.steps[1] <= now => Some(it.target),
            _ => host.active,
        }
    }

    /// Takes an order, or says why not.
    pub(super) fn take(
        &mut self,
        now: Time,
        epoch: u64,
        transaction: Transaction,
    ) -> Result<(), OrderRefusal> {
        let host = self.at(now);
        if epoch < host.epoch {
            return Err(OrderRefusal::StaleMaster);
        }
        host.epoch = epoch;
        if host.current.is_some() {
            return Err(OrderRefusal::Busy);
        }
        host.current = Some(transaction);
        Ok(())
    }

    /// Ends the order of a rollout, and takes back what was switched to.
    pub(super) fn stop(&mut self, now: Time, key: OrderKey) {
        let under_way = |it: &&mut Transaction| it.key == key;
        let Some(order) = self.at(now).current.as_mut().filter(under_way) else { return };
        let end = now + REVERSAL;
        if order.ends.is_some_and(|before| before <= end) {
            return;
        }
        let switched = order.steps[1] <= now;
        let outcome = if switched { HostOutcome::RolledBack } else { HostOutcome::Failed };
        let code = Some(&Code::Interrupted);
        order.ending = Ending { outcome, code, switched, runs: order.from };
        order.ends = Some(end);
        order.oscillates = false;
        for step in order.steps.iter_mut().filter(|step| **step > now) {
            *step = NEVER;
        }
    }

    /// Whether a release has cut it off.
    pub(super) fn is_cut_off(&mut self, now: Time) -> bool {
        let host = self.at(now);
        let mut orders = host.current.iter().chain(&host.last);
        orders.any(|it| it.cuts_off && it.steps[1] <= now)
    }

    /// What became of an order.
    pub(super) fn of(&mut self, now: Time, key: OrderKey) -> Option<Transaction> {
        let host = self.at(now);
        host.current.into_iter().chain(host.last).find(|transaction| transaction.key == key)
    }
}

impl Transaction {
    pub(super) fn phase(&self, now: Time) -> Phase {
        if self.oscillates && self.steps[0] <= now {
            let turn = (now - self.steps[0]) / OSCILLATION % 2;
            return if turn == 0 { Phase::Building } else { Phase::Probing };
        }
        let mut entered = self.steps.iter().zip(STEPS).filter(|(time, _)| **time <= now);
        entered.next_back().map_or(Phase::Receiving, |(_, phase)| phase)
    }

    /// When it next enters a phase, or ends; never, if it hangs.
    pub(super) fn next_step(&self, now: Time) -> Option<Time> {
        if self.oscillates && self.steps[0] <= now {
            return Some(now + OSCILLATION - (now - self.steps[0]) % OSCILLATION);
        }
        let times = self.steps.iter().copied().filter(|time| *time < NEVER).chain(self.ends);
        times.filter(|time| *time > now).min()
    }
}
