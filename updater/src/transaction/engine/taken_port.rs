//! A process that is none of ours may take the program's port while the program is stopped: what goes by
//! itself is waited for, and what stays is named. And a port may be one that the program is not allowed to open.

use std::time::Duration;

use protocol::{EventKind, Problem};
use tokio::time::{Instant, sleep};

use super::Engine;
use crate::runner::Instance;
use crate::transaction::{Failure, FailureOrigin};

/// Between two looks at a port that is taken.
const NEXT_LOOK: Duration = Duration::from_millis(250);

impl Engine {
    /// Waits for a process that is none of ours to leave the port, for as long as the program would have to
    /// answer. The program is started then in any case: it may share its port.
    pub(super) fn await_port(&self) -> Result<(), Failure> {
        let control = &self.app.agent;
        let Some(stranger) = control.stranger_at_its_port(None) else { return Ok(()) };
        let detail = format!("waits for its port: {stranger}");
        tracing::warn!("{}: the agent {detail}", self.app.settings.name);
        self.publish(EventKind::Agent { detail });
        let left = async {
            let deadline = Instant::now() + control.probe.plan().patience();
            while Instant::now() < deadline && control.stranger_at_its_port(None).is_some() {
                sleep(NEXT_LOOK).await;
            }
        };
        self.stop_signal().or(&self.app.handle, left)
    }

    /// A process that is none of ours may have taken the port since that was looked at: no release could be
    /// proven then, and none is to blame.
    pub(super) fn or_of_who_has_the_port(
        &self,
        failure: Failure,
        agent: Option<&Instance>,
    ) -> Failure {
        let Some(stranger) = self.app.agent.stranger_at_its_port(agent) else { return failure };
        let detail = format!("{}; {stranger}", failure.problem.detail);
        Failure::host_problem(Problem { detail, ..*failure.problem })
    }
    /// The first release of a host may be well, and no release be allowed to open the port where it is asked. What ran
    /// before it has shown that it can be opened.
    pub(super) fn or_of_a_forbidden_port(&self, failure: Failure) -> Failure {
        if self.journal.from.is_some() || failure.origin == FailureOrigin::Host {
            return failure;
        }
        let Some(why) = self.app.agent.forbidden_port() else { return failure };
        let detail = format!("{}; {why}", failure.problem.detail);
        Failure::host_problem(Problem { detail, ..*failure.problem })
    }
}
