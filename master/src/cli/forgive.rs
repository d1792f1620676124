//! `swarm release forgive`: a release that failed somewhere may go out again.

use clap::Args;
use control::rollout::resolve;
use explain::{Exit, Failure};
use serde_json::json;
use store::{Event, EventType};

use crate::cli::Context;

/// The words of `swarm release forgive`.
#[derive(Debug, Args)]
pub struct ForgiveArgs {
    /// The release: a digest, its beginning, or NAME@VERSION
    #[arg(value_name = "RELEASE")]
    pub release: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub because: String,
}

impl ForgiveArgs {
    /// Lifts the quarantine. Exits with 1 if there was none.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, output, now, who, .. } = context;
        let release = resolve(store, &self.release)?;
        let event = Event {
            release: Some(release),
            data: json!({"because": self.because}),
            ..Event::new(EventType::ReleaseForgiven, now(), who)
        };
        let lifted = store.forgive(&release, &event)?;
        if output.json() {
            output.document(&json!({"release": release, "forgiven": lifted}));
        } else if lifted {
            output.note(&format!(
                "{} may go out again; hosts on which it failed keep it away until they are told \
                 --retry-quarantined",
                release.short()
            ));
        } else {
            output.note(&format!("{} is not quarantined", release.short()));
        }
        Ok(if lifted { Exit::Success } else { Exit::Failed })
    }
}
