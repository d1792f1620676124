//! `swarm decommission`: a host leaves the fleet.

use clap::Args;
use control::hosts::decommission;
use explain::{Exit, Failure};
use protocol::HostName;

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
        let Context { store, now, who, .. } = context;
        let event = decommission(store, &self.host, who, now())?;
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
