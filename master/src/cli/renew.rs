//! `swarm renew`: a new certificate for the master itself.

use clap::Args;
use control::master_identity::{Standing, certificate_validity, renew_master, standing};
use explain::{Exit, Failure, when};

use crate::cli::Context;

/// The words of `swarm renew`.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Give the master a new key and certificate; nothing changes on the hosts
    #[arg(long, required = true)]
    master: bool,
}

impl RenewArgs {
    /// Makes them, in the place of those that are there.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        // A host's are renewed by `enroll --renew`, which has its files to write.
        let Self { master: _ } = self;
        let Context { home, store, now, who, output, .. } = context;
        let renewed = renew_master(home, store, who, now())?;
        if output.json() {
            output.document(&renewed);
        } else {
            let until = when(renewed.not_after);
            output.data(&format!("the master's certificate holds until {until}"));
        }
        Ok(Exit::Success)
    }
}

/// Says when the master's certificate ends, if that is soon.
pub(super) fn announce(context: &Context) -> Result<Standing, Failure> {
    let validity = certificate_validity(&context.home)?;
    let (standing, said) = standing(validity, (context.now)());
    if let Some(said) = said {
        context.output.note(&format!("warning: {said}"));
    }
    Ok(standing)
}
