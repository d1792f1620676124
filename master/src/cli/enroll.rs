//! `swarm enroll`: a host for the fleet.

use std::path::PathBuf;

use clap::Args;
use control::hosts::{Enrolled, Enrollment, enroll};
use explain::{Exit, Explain, Failure};
use pki::AltName;
use protocol::{DEFAULT_UPDATER_PORT, HostName, parse_label};
use store::Address;

use crate::cli::Context;

/// The words of `swarm enroll`.
#[derive(Debug, Args)]
pub struct EnrollArgs {
    /// The host's name: letters, digits, '-' and '.', as in DNS
    #[arg(long)]
    name: HostName,

    /// Where the host is reached: an IP address or a DNS name
    #[arg(long)]
    address: Address,

    /// Give it an updater, so that releases can be put on it
    #[arg(long)]
    updater: bool,

    /// A label to select it by (may be repeated)
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,

    /// Further names and addresses for its certificates
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    sans: Vec<AltName>,

    /// Where its agent listens
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    agent_port: Option<u16>,

    /// Where its updater listens
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_UPDATER_PORT,
          value_parser = clap::value_parser!(u16).range(1..))]
    updater_port: u16,

    /// A line of your own
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,

    /// The directory that gets the files
    #[arg(long, value_name = "DIR", required_unless_present = "token")]
    out_dir: Option<PathBuf>,

    /// Enroll by a join token instead; not in this version
    #[arg(long, hide = true)]
    token: bool,
}

/// What the command line allows and this version does not.
#[derive(Debug, thiserror::Error)]
#[error("enroll by token: join tokens are not in this version")]
struct NoTokens;

impl Explain for NoTokens {
    fn hint(&self) -> Option<String> {
        Some("use --out-dir DIR, and copy DIR to the host".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl EnrollArgs {
    /// Enrolls the host.
    pub fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let (false, Some(out_dir)) = (self.token, &self.out_dir) else {
            return Err(NoTokens.into());
        };
        let wanted = Enrollment {
            name: self.name.clone(),
            address: self.address.clone(),
            with_updater: self.updater,
            labels: self.labels.iter().cloned().collect(),
            sans: self.sans.clone(),
            agent_port: self.agent_port,
            updater_port: self.updater_port,
            notes: self.notes.clone(),
            out_dir: out_dir.clone(),
        };
        let now = (context.now)();
        let enrolled = enroll(&context.home, &context.store, &wanted, &context.who, now)?;
        if context.output.json() {
            context.output.document(&enrolled);
            return Ok(Exit::Success);
        }
        context.output.data(&text(&enrolled));
        if enrolled.host.has_updater {
            let (dir, name) = (out_dir.display(), &enrolled.host.name);
            context.output.note(&format!(
                "next: look through {dir}/updater.toml, copy {dir} to {name}, and there, as root: \
                 updater enroll {dir}"
            ));
        }
        Ok(Exit::Success)
    }
}

fn text(enrolled: &Enrolled) -> String {
    let mut lines = vec![format!("enrolled {} at {}", enrolled.host.name, enrolled.host.address)];
    lines.extend(enrolled.files.iter().map(|path| format!("  {}", path.display())));
    if let Some(fingerprint) = enrolled.host.pinned.current {
        lines.push(format!("the updater's certificate is pinned: {fingerprint}"));
    }
    lines.join("\n")
}
