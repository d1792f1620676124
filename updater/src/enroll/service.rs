//! The service of the updater, where systemd runs.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use serde::Serialize;

use crate::systemd::OWN_SERVICE;

/// The configuration that the unit starts with.
const UNIT_CONFIG: &str = "/etc/updater/updater.toml";
/// Made by systemd where it is the init system: `sd_booted(3)`.
const BOOTED: &str = "/run/systemd/system";

/// Whether the updater runs as a service now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// It is enabled, and runs.
    Started,
    /// systemd does not run here.
    NoSystemd,
    /// There is no such unit.
    NoUnit,
    /// The unit reads another configuration.
    OtherConfig,
}

/// Why the service was not started.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// `systemctl` could not be run.
    #[error("run systemctl")]
    Run(#[source] io::Error),
    #[error("run `systemctl {command}`: {said}")]
    Failed { command: String, said: String },
}

/// Enables the service and starts it. One that runs is started anew if something `changed`; its
/// agents do not notice.
pub fn start_service(config: &Path, changed: bool) -> Result<Service, ServiceError> {
    if !Path::new(BOOTED).is_dir() {
        return Ok(Service::NoSystemd);
    }
    if !run(&["cat", OWN_SERVICE])?.status.success() {
        return Ok(Service::NoUnit);
    }
    if config != Path::new(UNIT_CONFIG) {
        return Ok(Service::OtherConfig);
    }
    for arguments in
        [["enable", OWN_SERVICE], [if changed { "restart" } else { "start" }, OWN_SERVICE]]
    {
        let output = run(&arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(ServiceError::Failed { command: arguments.join(" "), said });
        }
    }
    Ok(Service::Started)
}

fn run(arguments: &[&str]) -> Result<Output, ServiceError> {
    Command::new("systemctl").args(arguments).output().map_err(ServiceError::Run)
}
