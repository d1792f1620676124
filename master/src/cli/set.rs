//! `swarm set`: where a host is reached, and what is noted of it.

use api::HostRecord;
use clap::{ArgGroup, Args};
use control::hosts::change;
use explain::{Exit, Failure};
use protocol::HostName;
use store::{Address, HostChange};

use crate::cli::Context;
use crate::cli::enroll::reachable;

/// The words of `swarm set`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["address", "updater_port", "agent_port", "notes"]))]
pub struct SetArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// Where the host is reached now: an IP address or a DNS name
    #[arg(long, value_parser = reachable)]
    address: Option<Address>,

    /// Where its updater listens now
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    updater_port: Option<u16>,

    /// Where its agent listens now
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    agent_port: Option<u16>,

    /// A note of your own; an empty one removes it
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
}

impl SetArgs {
    /// Changes the record, and shows it.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, now, who, output, .. } = context;
        let wanted = HostChange {
            address: self.address.clone(),
            updater_port: self.updater_port,
            agent_port: self.agent_port,
            notes: self.notes.clone(),
        };
        let host = change(store, &self.host, &wanted, who, now())?;
        if output.json() {
            output.document(&HostRecord::of(&host));
            return Ok(Exit::Success);
        }
        let agent =
            host.agent_port.map(|port| format!(", its agent at {port}")).unwrap_or_default();
        output.data(&format!("{}: its updater is reached at {}{agent}", host.name, host.updater()));
        if self.updater_port.is_some() || self.agent_port.is_some() {
            output.note(
                "on the host, set the same in updater.toml: listen, and the url of the probe",
            );
        }
        if self.address.is_some() {
            output.note(&format!(
                "its certificates name the address that it had; clients that look for the new one need \
                 new ones: swarm enroll --renew {} --out-dir DIR",
                host.name
            ));
        }
        Ok(Exit::Success)
    }
}
