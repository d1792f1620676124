//! `updater enroll`: the files in their place, the checks, the service.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use time::macros::format_description;

use crate::check::check_file;
use crate::cli::args::EnrollArgs;
use crate::cli::check;
use crate::cli::errors::CliError;
use crate::cli::system::{pretty, print};
use crate::config::{Finding, has_errors};
use crate::enroll::{Enrolled, Placed, Service, enroll, start_service};
use crate::environment::Environment;
use crate::sys::wall_clock;
use crate::systemd::BusConnection;

/// What was done, and what is left to do.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    enrolled: Enrolled,
    /// As `updater check` says them.
    findings: Vec<Finding>,
    /// Absent where it was not to be started.
    service: Option<Service>,
}

pub(super) fn enroll_host(
    asked: &EnrollArgs,
    environment: &Environment,
    systemd: &BusConnection,
) -> Result<bool, CliError> {
    let (config, now) = (&asked.common.config, wall_clock());
    let callers = callers(environment);
    let enrolled = enroll(&asked.directory, &callers, config, asked.force, now).map_err(
        |error| match error.hint() {
            Some(hint) => CliError::hint(error, hint),
            None => error.into(),
        },
    )?;
    let findings = check_file(config, now, check::daemon_runs(config), systemd).findings;
    let fine = !has_errors(&findings);
    let changed = [&enrolled.identity_placed, &enrolled.config_placed]
        .into_iter()
        .any(|placed| *placed != Placed::Kept);
    let service = if fine && !asked.no_start {
        Some(start_service(config, changed).map_err(|error| {
            CliError::hint(error, "the files are in place; see: journalctl -u updater")
        })?)
    } else {
        None
    };
    let done = Done { enrolled, findings, service };
    let text = if asked.json { pretty(&done)? + "\n" } else { render(&done, &asked.directory) };
    print(&text)?;
    Ok(fine && done.service != Some(Service::NoUnit))
}

/// The users that typed the command: this process's own, and the one that used sudo(8).
fn callers(environment: &Environment) -> Vec<u32> {
    let by_sudo = environment.sudo_user();
    [Some(rustix::process::geteuid().as_raw()), by_sudo].into_iter().flatten().collect()
}

fn render(done: &Done, bundle: &Path) -> String {
    let Enrolled { host, identity, config, .. } = &done.enrolled;
    let day = done.enrolled.until.format(format_description!("[year]-[month]-[day]"));
    let mut text = format!("this host is {host} until {}\n", day.unwrap_or_default());
    let (shown, config_shown) = (identity.display(), config.display());
    let _ = match &done.enrolled.identity_placed {
        Placed::Written => writeln!(text, "identity: written to {shown}"),
        Placed::Kept => writeln!(text, "identity: is in {shown} already"),
        Placed::Replaced(aside) => {
            writeln!(text, "identity: written to {shown}; the old one is {}", aside.display())
        }
    };
    let _ = match &done.enrolled.config_placed {
        Placed::Kept => writeln!(text, "configuration: {config_shown} is yours, and is kept"),
        _ => writeln!(text, "configuration: written to {config_shown}"),
    };
    if let Some(user) = done.enrolled.user {
        let _ = writeln!(text, "its program is built and run as the user {user}");
    }
    for key in &done.enrolled.keys {
        let _ = writeln!(text, "release key: written to {}", key.display());
    }
    text.push_str(&check::render(&done.findings));
    text.push_str(&next(done, config));
    if identity.parent() != Some(bundle) {
        let bundle = bundle.display();
        let _ = writeln!(text, "{bundle} holds a copy of the key: rm -r {bundle}");
    }
    text
}

/// Whether the service runs, or what makes it run.
fn next(done: &Done, config: &Path) -> String {
    let config = config.display();
    let run = format!("updater run --config {config}");
    match done.service {
        Some(Service::Started) => "service: enabled and running\n".to_owned(),
        Some(Service::NoSystemd) => {
            format!("service: systemd does not run here; start it with: {run}\n")
        }
        Some(Service::NoUnit) => format!(
            "service: not started, as there is no updater.service here; install the package (or type \
             `make install` in the sources), or start it with: {run}\n"
        ),
        Some(Service::OtherConfig) => format!(
            "service: updater.service reads another file; name {config} in a drop-in, or start it \
             with: {run}\n"
        ),
        None if has_errors(&done.findings) => {
            format!(
                "service: not started; fix these errors (the configuration is {config}), and run this again\n"
            )
        }
        None => format!("service: not started, as you wished; start it with: {run}\n"),
    }
}
