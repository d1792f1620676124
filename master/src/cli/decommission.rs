//! `swarm decommission`: a host leaves the fleet.

use clap::Args;
use explain::{Exit, Failure};
use protocol::HostName;
use store::{Event, EventType};

use crate::cli::Context;

/// The words of `swarm decommission`.
#[derive(Debug, Args)]
pub struct DecommissionArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,
}

impl DecommissionArgs {
    /// Takes the host out. What it did stays in the history.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let event = Event {
            host: Some(self.host.clone()),
            ..Event::new(EventType::HostDecommissioned, (context.now)(), &context.who)
        };
        context.store.decommission(&self.host, &event)?;
        if context.output.json() {
            context.output.document(&event);
        } else {
            context.output.data(&format!("{} is out of the fleet", self.host));
            context.output.note(
                "its updater and agent run on; stop them there, and delete the keys on the host",
            );
        }
        Ok(Exit::Success)
    }
}
