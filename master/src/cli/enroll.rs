//! `swarm enroll`: a host for the fleet.

use std::io::{self, IsTerminal as _, Write as _, stderr, stdin};
use std::path::{Path, PathBuf};

use api::EnrolledDocument;
use clap::Args;
use common::failed_to;
use control::hosts::{Enrolled, Enrollment, enroll, renew};
use explain::{Exit, Explain, Failure};
use pki::AltName;
use protocol::{DEFAULT_AGENT_PORT, DEFAULT_UPDATER_PORT, HostName, parse_label};
use store::{Address, AddressError, Host, Pinned};

use crate::cli::Context;

/// The words of `swarm enroll`.
#[derive(Debug, Args)]
#[command(
    override_usage = "swarm enroll [OPTIONS] --name <NAME> --address <ADDRESS> --out-dir <DIR>\n       \
    swarm enroll --renew <NAME> --out-dir <DIR>"
)]
pub struct EnrollArgs {
    /// The host's name: letters, digits, '-' and '.', as in DNS
    #[arg(long, required_unless_present = "renew")]
    name: Option<HostName>,

    /// Where the host is reached: an IP address or a DNS name
    #[arg(long, required_unless_present = "renew", value_parser = reachable)]
    address: Option<Address>,

    /// Give this host new keys and certificates; everything else stays
    #[arg(long, value_name = "NAME", conflicts_with_all = ENROLLED)]
    renew: Option<HostName>,

    /// Give it an updater, so that it can be updated
    #[arg(long)]
    updater: bool,

    /// A label to select it by (may be repeated)
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,

    /// Further names and addresses for its certificates
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    sans: Vec<AltName>,

    /// The agent's port; with --updater, its health is checked there [default with --updater:
    /// 8765, asked for on a terminal]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    agent_port: Option<u16>,

    /// Write no probe: a release is then good if its program stays up
    #[arg(long, conflicts_with = "agent_port", requires = "updater")]
    no_probe: bool,

    /// The updater's port
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_UPDATER_PORT,
          value_parser = clap::value_parser!(u16).range(1..))]
    updater_port: u16,

    /// A note of your own
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,

    /// The directory that gets the files
    #[arg(long, value_name = "DIR", required_unless_present = "token")]
    out_dir: Option<PathBuf>,

    /// Enroll by a join token instead; not in this version
    #[arg(long, hide = true)]
    token: bool,
}

/// What is known already of a host that gets new certificates.
const ENROLLED: [&str; 9] = [
    "name",
    "address",
    "updater",
    "labels",
    "sans",
    "agent_port",
    "no_probe",
    "updater_port",
    "notes",
];

/// An address that a host can be reached at.
pub(super) fn reachable(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|error: AddressError| failed_to(&error))?;
    match address.unreachable() {
        Some(why) => Err(format!("no host is reached there: {why}")),
        None => Ok(address),
    }
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
        if let Some(name) = &self.renew {
            return renewed(context, name, out_dir);
        }
        let (Some(name), Some(address)) = (self.name.clone(), self.address.clone()) else {
            return Err(NoTokens.into());
        };
        let before = context.store.host(&name).ok();
        let wanted = Enrollment {
            agent_port: self.agent_port(&name)?,
            name,
            address,
            with_updater: self.updater,
            labels: self.labels.iter().cloned().collect(),
            sans: self.sans.clone(),
            updater_port: self.updater_port,
            notes: self.notes.clone(),
            out_dir: out_dir.clone(),
        };
        let now = (context.now)();
        let enrolled = enroll(&context.home, &context.store, &wanted, &context.who, now)?;
        if context.output.json() {
            context.output.document(&EnrolledDocument::of(&enrolled));
            return Ok(Exit::Success);
        }
        context.output.data(&text(&enrolled, "enrolled"));
        if let Some(lost) = before.and_then(|before| lost(&before, &enrolled.host)) {
            context.output.note(&lost);
        }
        if enrolled.host.has_updater {
            let look = format!("look through {}/updater.toml, ", out_dir.display());
            context.output.note(&next(&look, out_dir, &enrolled.host.name));
        }
        Ok(Exit::Success)
    }

    /// No host is made without a probe that nobody asked for.
    fn agent_port(&self, name: &HostName) -> Result<Option<u16>, Failure> {
        match self.agent_port {
            None if !self.updater || self.no_probe => Ok(None),
            None if stdin().is_terminal() && stderr().is_terminal() => Ok(Some(ask_port(name)?)),
            None => Ok(Some(DEFAULT_AGENT_PORT)),
            port => Ok(port),
        }
    }
}

/// Asks until it is answered with a port, or with nothing.
fn ask_port(name: &HostName) -> Result<u16, Failure> {
    loop {
        let question = format!("the port at which the agent of {name} answers /health");
        write!(stderr(), "{question} [{DEFAULT_AGENT_PORT}]: ").map_err(Unasked)?;
        let mut line = String::new();
        let read = stdin().read_line(&mut line).map_err(Unasked)?;
        match line.trim() {
            "" if read == 0 => return Err(Unasked(io::ErrorKind::UnexpectedEof.into()).into()),
            "" => return Ok(DEFAULT_AGENT_PORT),
            text => {
                if let Some(port) = text.parse().ok().filter(|port| *port > 0) {
                    return Ok(port);
                }
            }
        }
    }
}

/// The terminal went away in the middle of the question.
#[derive(Debug, thiserror::Error)]
#[error("ask for the agent's port")]
struct Unasked(#[source] io::Error);

impl Explain for Unasked {
    fn hint(&self) -> Option<String> {
        Some("name it with --agent-port PORT, or say --no-probe".to_owned())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// What an operator does with the directory. On the host it lies where `scp -r` puts it.
fn next(before: &str, out_dir: &Path, name: &HostName) -> String {
    let copied = out_dir.file_name().unwrap_or(out_dir.as_os_str()).display();
    let dir = out_dir.display();
    format!(
        "next: {before}copy the directory to the host (scp -r {dir} root@{name}:), and there, as root: updater enroll {copied}"
    )
}

/// New certificates for a host that is in the fleet.
fn renewed(context: &Context, name: &HostName, out_dir: &Path) -> Result<Exit, Failure> {
    let Context { home, store, who, now, output, .. } = context;
    let renewed = renew(home, store, name, out_dir, (who, now()))?;
    if output.json() {
        output.document(&EnrolledDocument::of(&renewed));
        return Ok(Exit::Success);
    }
    output.data(&text(&renewed, "new certificates for"));
    output.note(&next("", out_dir, name));
    let between = match renewed.host.pinned.between.len() {
        0 => String::new(),
        1 => ", and by that of the renewal before".to_owned(),
        renewals => format!(", and by those of the {renewals} renewals before"),
    };
    output.note(&format!(
        "until its updater shows the new one, it is known by the certificate that it has, \
         too{between}"
    ));
    Ok(Exit::Success)
}

/// What was known of the host of that name which left the fleet, and is not any more.
fn lost(before: &Host, host: &Host) -> Option<String> {
    let labels: Vec<_> = before
        .labels
        .iter()
        .filter(|(key, _)| !host.labels.contains_key(*key))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut lost = Vec::new();
    if !labels.is_empty() {
        lost.push(format!("its labels {}", labels.join(" ")));
    }
    lost.extend(
        before.notes.iter().filter(|_| host.notes.is_none()).map(|it| format!("its notes {it:?}")),
    );
    if lost.is_empty() {
        return None;
    }
    let name = &host.name;
    let how = match labels.as_slice() {
        [] => format!("swarm set {name} --notes TEXT"),
        labels => format!("swarm label {name} {}", labels.join(" ")),
    };
    Some(format!(
        "warning: of the {name} that was decommissioned, {} are not taken over; to set them: {how} \
         (new certificates alone: swarm enroll --renew {name})",
        lost.join(" and ")
    ))
}

fn text(enrolled: &Enrolled, done: &str) -> String {
    let mut lines = vec![format!("{done} {} at {}", enrolled.host.name, enrolled.host.address)];
    lines.extend(enrolled.files.iter().map(|path| format!("  {}", path.display())));
    let Pinned { current, next, .. } = &enrolled.host.pinned;
    if let Some(fingerprint) = next.as_ref().or(current.as_ref()) {
        lines.push(format!("the updater's certificate is pinned: {fingerprint}"));
    }
    lines.join("\n")
}
