//! Whether an app's program is well, by all that is known of it. Pure.

use protocol::{AgentDeath, LastProbe};

use super::{AgentProcess, Status};
use crate::transaction::UnprovenKind;

/// The warning of a host on which neither release could be proven.
const STRANDED: &str = "stranded: no release could be proven healthy here";

/// What became of the probe of the program that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeState {
    pub last: LastProbe,
    /// Which start of the agent answered.
    pub mark: String,
    /// Whether it failed as often in a row as ends a watch.
    pub failing: bool,
}

impl ProbeState {
    /// What is known after one more answer.
    pub fn and(before: Option<&Self>, mark: &str, answer: LastProbe, limit: u32) -> Self {
        let before = before.filter(|before| before.mark == mark);
        let failures = before.map_or(0, |before| before.last.failures).saturating_add(1);
        let failures = if answer.passed { 0 } else { failures };
        let failing = failures >= limit.max(1);
        Self { last: LastProbe { failures, ..answer }, mark: mark.to_owned(), failing }
    }
}

/// Why the program is not well, and what has its port, if something does; `None` where it is well, or was
/// stopped on purpose.
pub(super) fn reason(status: &Status) -> Option<String> {
    let reason = what_is_amiss(status)?;
    let taken = status.port_taken.as_ref().map(|who| format!("; {who}")).unwrap_or_default();
    Some(format!("{reason}{taken}"))
}

fn what_is_amiss(status: &Status) -> Option<String> {
    if let Some(lost) = status.lost.as_ref().filter(|_| status.running.is_none()) {
        return Some(lost.clone());
    }
    match status.unproven {
        Some(UnprovenKind::Stranded) => return Some(STRANDED.to_owned()),
        Some(UnprovenKind::Nothing) if status.active.is_none() => {
            return Some("nothing runs: the first release could not be proven".to_owned());
        }
        _ => {}
    }
    let death = status.deaths.as_ref().map(|deaths| &deaths.last);
    match (status.agent, death) {
        (AgentProcess::Dead, Some(death)) => {
            return Some(format!("its agent {death}{}", death.last_words()));
        }
        (AgentProcess::Dead, None) => return Some("its agent should run, and is dead".to_owned()),
        (AgentProcess::Crashing(_), death) => {
            let told = |death: &AgentDeath| format!("; it {death}{}", death.last_words());
            let death = death.map(told).unwrap_or_default();
            return Some(format!("its agent dies again and again{death}"));
        }
        (AgentProcess::None | AgentProcess::Stopped, _) => return None,
        (AgentProcess::Running(_) | AgentProcess::NoProcess, _) => {}
    }
    let probe = status.probe.as_ref().filter(|probe| probe.failing)?;
    let LastProbe { failures, detail, .. } = &probe.last;
    Some(match failures {
        1 => format!("its probe failed: {detail}"),
        _ => format!("its probe failed {failures} times in a row: {detail}"),
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn answer(passed: bool) -> LastProbe {
        let at = datetime!(2026-01-02 03:04:05 UTC);
        LastProbe { at, passed, failures: 0, detail: "it answered 500".to_owned() }
    }

    fn status(agent: AgentProcess) -> Status {
        Status { agent, ..Status::new(datetime!(2026-01-02 03:04:05 UTC)) }
    }

    #[test]
    fn lesson_23_a_probe_fails_by_failures_in_a_row_of_one_start() {
        let one = ProbeState::and(None, "a", answer(false), 2);
        assert!(!one.failing);
        let two = ProbeState::and(Some(&one), "a", answer(false), 2);
        assert!(two.failing);
        let other = ProbeState::and(Some(&one), "b", answer(false), 2);
        assert_eq!((other.failing, other.last.failures), (false, 1), "another start");
        assert!(!ProbeState::and(Some(&two), "a", answer(true), 2).failing);
        let failing = Status { probe: Some(two), ..status(AgentProcess::Running(1)) };
        let told = "its probe failed 2 times in a row: it answered 500";
        assert_eq!(reason(&failing).as_deref(), Some(told));
    }

    #[test]
    fn what_could_not_be_proven_is_not_well_though_it_runs() {
        let stranded =
            Status { unproven: Some(UnprovenKind::Stranded), ..status(AgentProcess::Running(1)) };
        assert_eq!(reason(&stranded).as_deref(), Some(STRANDED));
        let taken = Status { port_taken: Some("pid 7 (x) has it".to_owned()), ..stranded };
        assert_eq!(reason(&taken), Some(format!("{STRANDED}; pid 7 (x) has it")));
        let nothing =
            Status { unproven: Some(UnprovenKind::Nothing), ..status(AgentProcess::None) };
        assert!(reason(&nothing).unwrap().starts_with("nothing runs"));
        for well in [
            AgentProcess::None,
            AgentProcess::Stopped,
            AgentProcess::Running(1),
            AgentProcess::NoProcess,
        ] {
            assert_eq!(reason(&status(well)), None);
        }
        assert!(reason(&status(AgentProcess::Crashing(1))).is_some());
    }
}
