//! What must hold of every rollout, whatever happens to it.

use protocol::HostOutcome;

use crate::simulate::fleet::Fleet;
use crate::simulate::names::number;
use crate::simulate::network::Time;
use crate::simulate::simulated_host::{OrderKey, Transaction};
use crate::{Plan, State, Status, WorstCase, worst_case};

/// Checks all rollouts of a simulation.
pub(super) struct InvariantChecker {
    /// Which rollout holds a host.
    pub(super) holds: Vec<Option<usize>>,
    /// Of each rollout, what the hosts have begun for it.
    begun: Vec<Begun>,
    /// Whether the release fails on every host that tries it.
    bad_everywhere: bool,
    /// What was broken, and when.
    pub(super) broken: Vec<(Time, String)>,
}

struct Begun {
    forward: Vec<u8>,
    back: Vec<u8>,
    worst: WorstCase,
    /// Hosts that were harmed since an operator last said to continue.
    harmed: u32,
    most_harmed: u32,
    /// Whether an operator has said to continue.
    continued: bool,
}

impl InvariantChecker {
    pub(super) fn new(hosts: u32, bad_everywhere: bool) -> Self {
        let holds = vec![None; hosts as usize];
        Self { holds, begun: Vec::new(), bad_everywhere, broken: Vec::new() }
    }

    /// A rollout begins, and holds the hosts that it changes. Not if another one holds one of them.
    pub(super) fn begins(&mut self, rollout: usize, plan: &Plan) -> bool {
        let changed = || plan.hosts.iter().filter(|host| host.action.changes_host());
        let places = || changed().map(|host| number(&host.host) as usize);
        if places().any(|place| self.holds[place].is_some()) {
            return false;
        }
        for place in places() {
            self.holds[place] = Some(rollout);
        }
        let none = vec![0; self.holds.len()];
        self.begun.push(Begun {
            forward: none.clone(),
            back: none,
            worst: worst_case(plan),
            harmed: 0,
            most_harmed: 0,
            continued: false,
        });
        true
    }

    /// A host has taken an order.
    pub(super) fn taken(&mut self, host: u32, transaction: &Transaction, now: Time) {
        let OrderKey { rollout, back } = transaction.key;
        let place = host as usize;
        if self.holds[place] != Some(rollout) {
            self.report_violation(
                now,
                format!("h-{host} was ordered by a rollout that does not hold it"),
            );
        }
        let begun = &mut self.begun[rollout];
        let times = if back { &mut begun.back[place] } else { &mut begun.forward[place] };
        *times += 1;
        let again = *times > 1;
        let ending = transaction.ending;
        let failed = matches!(ending.outcome, HostOutcome::RolledBack | HostOutcome::Stranded);
        begun.harmed += u32::from(!back && (transaction.cuts_off || (failed && ending.switched)));
        begun.most_harmed = begun.most_harmed.max(begun.harmed);
        let WorstCase { harmed: most, if_bad_everywhere, .. } = begun.worst;
        let most = if self.bad_everywhere && !begun.continued { if_bad_everywhere } else { most };
        let harmed = begun.harmed;
        if again {
            self.report_violation(now, format!("h-{host} carried the same order out twice"));
        }
        if harmed > most {
            self.report_violation(
                now,
                format!("{harmed} hosts are harmed; the plan says at most {most}"),
            );
        }
    }

    /// An operator has seen the harm so far, and said to continue.
    pub(super) fn continued(&mut self, rollout: usize) {
        let begun = &mut self.begun[rollout];
        begun.harmed = 0;
        begun.continued = true;
    }

    /// The worst case of a rollout, and how many hosts it has harmed at most.
    pub(super) fn harm(&self, rollout: usize) -> (WorstCase, u32) {
        (self.begun[rollout].worst, self.begun[rollout].most_harmed)
    }

    /// A rollout is over, or waits for an answer that does not come: what it says is so, and hosts of
    /// which it says nothing were left alone.
    pub(super) fn rests(&mut self, rollout: usize, state: &State, fleet: &mut Fleet, now: Time) {
        let (status, _) = state.status();
        let changed = state.hosts().filter(|(planned, _)| planned.action.changes_host());
        for (planned, host) in changed {
            let name = number(&planned.host);
            let runs = fleet.hosts[name as usize].runs(now);
            let told = host.result.as_ref().and_then(|result| result.to);
            if told.is_some() && told != runs {
                let outcome =
                    host.result.as_ref().map_or("nothing", |result| result.outcome.into_str());
                self.report_violation(
                    now,
                    format!("h-{name} is said to be {outcome}, and runs something else"),
                );
            }
            let touched = self.begun[rollout].forward[name as usize] > 0;
            if host.result.is_none() && touched {
                self.report_violation(
                    now,
                    format!("h-{name} was touched, and nothing is said of it"),
                );
            }
            if *status == Status::Completed && runs != planned.to {
                self.report_violation(
                    now,
                    format!("it is completed, and h-{name} does not run the release"),
                );
            }
        }
        if state.is_over() {
            for held in &mut self.holds {
                held.take_if(|holder| *holder == rollout);
            }
        }
    }

    pub(super) fn report_violation(&mut self, now: Time, what: String) {
        // One is enough to look at; a thousand of the same are not better.
        if self.broken.len() < 10 {
            self.broken.push((now, what));
        }
    }
}
