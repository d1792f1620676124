//! How a unit learns which release it runs.
//!
//! A drop-in, the same for every release, names a file of variables; only that file changes from
//! one release to the next, so that a switch needs no daemon-reload, and a unit that systemd starts
//! at boot has them too.

use std::fs;
use std::path::{Path, PathBuf};

use common::write_durably;

use crate::runner::{Launch, RunnerError};
use crate::systemd::variables_text;

/// Where the drop-in of a unit lies below the directory of unit files. That of a template is for all
/// that is made from it.
pub(super) fn drop_in_name(unit: &str) -> String {
    format!("{unit}.d/50-updater.conf")
}

/// The drop-in of a service, with the file of its variables.
pub(super) fn of_service(variables: &Path) -> String {
    service("", &escaped(variables))
}

/// The drop-in of a template, each unit of which has a file of its own in this directory.
pub(super) fn of_template(state: &Path) -> String {
    let limit = "# A unit that meets its start limit would take its sockets down with it, \
                 and the agents that\n# serve on them.\nStartLimitIntervalSec=0\n";
    service(limit, &format!("{}/release@%i.env", escaped(state)))
}

/// The drop-in of a socket that agents hand on.
pub(super) fn of_socket() -> String {
    format!(
        "{HEAD}\
         [Socket]\n\
         # Each agent that ends makes it look anew for who serves. That is no loop.\n\
         TriggerLimitIntervalSec=10s\n\
         TriggerLimitBurst=1000\n"
    )
}

/// The file of variables of one unit of a template: `release@a.env`.
pub(super) fn variables_file(state: &Path, side: &str) -> PathBuf {
    state.join(format!("release@{side}.env"))
}

/// Writes what a unit has to know of its release. `flag` is a variable for this start alone.
pub(super) fn write(path: &Path, launch: &Launch, flag: Option<&str>) -> Result<(), RunnerError> {
    let mut all = launch.environment.clone();
    all.extend(launch.release_variables());
    all.extend(flag.map(|flag| (flag.to_owned(), "1".to_owned())));
    let text = variables_text(&all);
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(());
    }
    write_durably(path, text.as_bytes()).map_err(|source| RunnerError::File {
        act: "write",
        path: path.to_owned(),
        source,
    })
}

const HEAD: &str = "# Written by the updater, which writes it anew where it is changed.\n";

fn service(limit: &str, variables: &str) -> String {
    format!(
        "{HEAD}\
         [Unit]\n\
         # What an update left half done when the machine went down is looked at first.\n\
         After=updater.service\n\
         {limit}\n\
         [Service]\n\
         # RELEASE_DIGEST, RELEASE_VERSION, RELEASE_PATH, and `env` of the updater's configuration.\n\
         EnvironmentFile=-{variables}\n"
    )
}

/// systemd.unit(5): a percent sign begins a specifier.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_of_a_path_is_no_specifier() {
        assert_eq!(drop_in_name("a@1.service"), "a@1.service.d/50-updater.conf");
        let service = of_service(Path::new("/s/100%/x"));
        assert!(service.contains("EnvironmentFile=-/s/100%%/x\n"), "{service}");
        let template = of_template(Path::new("/s/100%"));
        assert!(template.contains("EnvironmentFile=-/s/100%%/release@%i.env\n"), "{template}");
    }
}
