//! `swarm init`: a master where there is none.

use api::{EpochDocument, MasterDocument};
use clap::Args;
use control::home::Home;
use control::init;
use control::init::Initialised;
use explain::{Exit, Failure};
use pki::Fleet;
use time::OffsetDateTime;

use crate::cli::context::{Context, caller};
use crate::output::Output;

/// The words of `swarm init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The fleet's name; it stands in every certificate
    #[arg(long, value_name = "NAME", default_value = "swarm")]
    fleet: Fleet,

    /// Take over from another copy of this master, after a restore from a backup: from now on the
    /// hosts refuse the other one's orders
    #[arg(long, conflicts_with = "fleet")]
    take_over: bool,
}

impl InitArgs {
    /// Makes a master, or says what is there.
    pub fn run(
        &self,
        home: Home,
        output: Output,
        now: fn() -> OffsetDateTime,
    ) -> Result<Exit, Failure> {
        if self.take_over {
            return take_over(&Context::open(home, output, now)?);
        }
        let master = init::initialise(&home, &self.fleet, &caller(), now())?;
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
            output.note("keep ca/ca.key safe: whoever has it can speak for every host");
            output.note("next: swarm enroll --name NAME --address ADDRESS --updater --out-dir DIR");
        }
        Ok(Exit::Success)
    }
}

fn take_over(context: &Context) -> Result<Exit, Failure> {
    let Context { store, who, now, .. } = context;
    let epoch = init::take_over(store, who, now())?;
    if context.output.json() {
        context.output.document(&EpochDocument { epoch });
    } else {
        context.output.data(&format!("took over: the epoch is {epoch} now"));
        context.output.note("a host refuses the other master once it had one order from this one");
    }
    Ok(Exit::Success)
}
