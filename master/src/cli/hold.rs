//! `swarm hold` and `swarm unhold`: a host stays out of rollouts for a while.

use api::HeldDocument;
use clap::Args;
use control::hosts::{hold, unhold};
use explain::{Exit, Explain, Failure, when};
use protocol::{HostName, Period};
use store::{Hold, SkipReason};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::Context;
use crate::cli::reason::reason;

/// The words of `swarm hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// The reason; it is shown wherever the host is
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: String,

    /// When the hold ends: a time such as 2026-12-01T06:00:00Z, or a duration such as 12h or 3d
    #[arg(long, value_name = "TIME")]
    until: Option<Until>,
}

/// The words of `swarm unhold`.
#[derive(Debug, Args)]
pub struct UnholdArgs {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,
}

/// A time, or how long from now.
#[derive(Debug, Clone, Copy)]
enum Until {
    At(OffsetDateTime),
    For(Period),
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map(Self::At);
        let expected = "expected a time (2026-12-01T06:00:00Z), or how long (12h, 3d)";
        time.or_else(|_| text.parse().map(Self::For).map_err(|_| expected.to_owned()))
    }
}

/// A hold that would be over before it begins.
#[derive(Debug, thiserror::Error)]
#[error("hold the host until {}: that is over", when(*.0))]
struct Over(OffsetDateTime);

impl Explain for Over {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl HoldArgs {
    /// Keeps the host out of every rollout that begins from now on.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, now, who, output, .. } = context;
        let since = now();
        let until = self.until.map(|until| match until {
            Until::At(time) => time,
            Until::For(period) => {
                let lasts = period.0.try_into().unwrap_or(time::Duration::MAX);
                since.saturating_add(lasts).truncate_to_second()
            }
        });
        if let Some(until) = until.filter(|until| *until <= since) {
            return Err(Over(until).into());
        }
        let held = Hold { because: self.because.clone(), who: who.clone(), since, until };
        hold(store, &self.host, &held)?;
        if output.json() {
            output.document(&HeldDocument { host: &self.host, held: Some(&held) });
        } else {
            let held = SkipReason::Held(held);
            output.data(&format!("{}: {held}", self.host));
            if let Some(rollout) = store.holder(&self.host)? {
                output.note(&format!("it is in the rollout {rollout}, which goes on"));
            }
        }
        Ok(Exit::Success)
    }
}

impl UnholdArgs {
    /// Lets it take part again.
    pub(super) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Context { store, now, who, output, .. } = context;
        let was_held = unhold(store, &self.host, who, now())?;
        if output.json() {
            output.document(&HeldDocument { host: &self.host, held: None });
        } else if was_held {
            output.data(&format!("{} takes part in rollouts again", self.host));
        } else {
            output.data(&format!("{} was not held", self.host));
        }
        Ok(Exit::Success)
    }
}
