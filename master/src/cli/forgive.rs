//! `swarm release forgive`: a release that failed somewhere may go out again.

use api::ForgivenRelease;
use clap::Args;
use control::rollout::{forgive, resolve};
use explain::{Exit, Failure};

use crate::cli::Context;
use crate::cli::reason::reason;

/// The words of `swarm release forgive`.
#[derive(Debug, Args)]
pub struct ForgiveArgs {
    /// The release: a digest, its beginning, or NAME@VERSION
    #[arg(value_name = "RELEASE")]
    pub release: String,
    /// The reason, for the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub because: String,
}

impl ForgiveArgs {
    /// Lifts the quarantine. Exits with 1 if there was none.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, output, now, who, .. } = context;
        let release = resolve(store, &self.release)?;
        let forgiven = forgive(store, release, &self.because, who, now())?;
        if output.json() {
            output.document(&ForgivenRelease { release, forgiven });
        } else if forgiven {
            output.note(&format!(
                "{} may go out again; hosts on which it failed keep it away until they are told \
                 --retry-quarantined",
                release.short()
            ));
        } else {
            output.note(&format!("{} is not quarantined", release.short()));
        }
        Ok(if forgiven { Exit::Success } else { Exit::Failed })
    }
}
