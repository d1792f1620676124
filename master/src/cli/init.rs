//! `swarm init`: a master where there is none.

use api::{EpochDocument, MasterDocument};
use clap::Args;
use control::fleet::{Fleet, seen_epochs};
use control::home::Home;
use control::init;
use control::init::Initialised;
use control::select::Selected;
use explain::{Exit, Failure};
use pki::Fleet as FleetName;
use time::OffsetDateTime;

use crate::cli::context::{Context, caller};
use crate::cli::runtime::block_on;
use crate::environment::Environment;
use crate::output::Output;

/// The words of `swarm init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The fleet's name, which is part of every certificate
    #[arg(long, value_name = "NAME", default_value = "swarm")]
    fleet: FleetName,

    /// Take over from another copy of this master at once, after a restore from a backup: from now on
    /// the hosts refuse the other one's orders. The next update or rollback does so too, for its hosts
    #[arg(long, conflicts_with = "fleet")]
    take_over: bool,
}

impl InitArgs {
    /// Makes a master, or says what is there.
    pub fn run(
        &self,
        home: Home,
        environment: Environment,
        output: Output,
        now: fn() -> OffsetDateTime,
    ) -> Result<Exit, Failure> {
        if self.take_over {
            return take_over(&Context::open(home, environment, output, now)?);
        }
        let master = init::initialise(&home, &self.fleet, &caller(&environment), now())?;
        if output.json() {
            output.document(&MasterDocument::of(&master, &home));
            return Ok(Exit::Success);
        }
        let Initialised { created, fleet, fingerprint, .. } = master;
        let root = home.root().display();
        let what =
            if created { "made the master of" } else { "nothing to do: here is a master of" };
        output.data(&format!("{what} fleet {fleet} in {root}\nCA fingerprint {fingerprint}"));
        if created {
            output.note("keep ca/ca.key safe: its holder can speak for every host");
            output.note("next: swarm enroll --name NAME --address ADDRESS --updater --out-dir DIR");
        }
        Ok(Exit::Success)
    }
}

fn take_over(context: &Context) -> Result<Exit, Failure> {
    let Context { home, store, output, who, now, .. } = context;
    let before = store.epoch()?;
    let selected: Vec<_> = store
        .hosts()?
        .into_iter()
        .map(|host| Selected { skip: host.skip_reason(), host })
        .collect();
    let members = Fleet::open(home, store, context.timeouts)?.members(&selected);
    let seen = block_on(seen_epochs(members))?;
    let epoch = init::take_over(store, &seen, who, now())?;
    if output.json() {
        let (highest, silent) = (seen.highest.map(|(_, epoch)| epoch), &seen.silent);
        let impossible = seen.impossible.iter().map(|(host, _)| host.clone()).collect();
        output.document(&EpochDocument { epoch, seen: highest, silent, impossible });
        return Ok(Exit::Success);
    }
    output.data(&format!("took over: the epoch is {epoch} now"));
    match &seen.highest {
        Some((host, highest)) => output.note(&format!(
            "the highest epoch that a host has seen was {highest} (of {host}, {} asked), and this \
             master's {before}",
            seen.asked
        )),
        None => output.note(&format!("no host could be asked; this master's epoch was {before}")),
    }
    for host in &seen.silent {
        output.note(&format!("{host} did not answer: what it has seen is not known"));
    }
    for (host, said) in &seen.impossible {
        output.note(&format!(
            "{host} says {said}, to which no master can have come, and refuses orders until epoch.json there \
             is put right"
        ));
    }
    output.note("a host refuses the other master once it had one order from this one");
    Ok(Exit::Success)
}
