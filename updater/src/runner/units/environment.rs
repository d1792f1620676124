//! How a unit learns which release it runs. Pure.
//!
//! A drop-in, the same for every release, names a file of variables; only that file changes from
//! one release to the next, so that a switch needs no daemon-reload, and a unit that systemd starts
//! at boot has them too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Where the drop-in of a service lies below the directory of unit files; none for other units,
/// which run nothing.
pub(super) fn drop_in_name(unit: &str) -> Option<String> {
    unit.ends_with(".service").then(|| format!("{unit}.d/50-updater.conf"))
}

/// The drop-in of every service of an app.
pub(super) fn drop_in(variables: &Path) -> String {
    // systemd.unit(5): a percent sign begins a specifier.
    let variables = variables.display().to_string().replace('%', "%%");
    format!(
        "# Written by the updater, which writes it anew where it is changed.\n\
         [Unit]\n\
         # What an update left half done when the machine went down is looked at first.\n\
         After=updater.service\n\n\
         [Service]\n\
         # RELEASE_DIGEST, RELEASE_VERSION, RELEASE_PATH, and `env` of the updater's configuration.\n\
         EnvironmentFile=-{variables}\n"
    )
}

/// A file of variables as systemd reads it (systemd.exec(5), `EnvironmentFile=`).
pub(super) fn variables(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let _ = write!(text, "{name}=\"");
        for character in value.chars() {
            if matches!(character, '"' | '\\' | '$' | '`') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push_str("\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_as_systemd_unquotes_them() {
        let given = [("A", "1"), ("B", "two \"words\" $HOME \\n `x` 'y'\nline")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let text = variables(&given);
        assert_eq!(text, "A=\"1\"\nB=\"two \\\"words\\\" \\$HOME \\\\n \\`x\\` 'y'\nline\"\n");
    }

    #[test]
    fn only_services_get_a_drop_in() {
        assert_eq!(drop_in_name("a@1.service").unwrap(), "a@1.service.d/50-updater.conf");
        assert_eq!(drop_in_name("a.socket"), None);
        assert!(drop_in(Path::new("/s/100%/x")).contains("EnvironmentFile=-/s/100%%/x\n"));
    }
}
