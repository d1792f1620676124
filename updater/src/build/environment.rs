//! The environment of a build, and what to do where it lacks a tool.

use std::collections::BTreeMap;
use std::path::Path;

/// What a build gets over the standard environment: nothing of the updater's own leaks into it,
/// and what the host configured wins.
pub(super) fn environment(
    home: &Path,
    temporary: &Path,
    configured: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("HOME".to_owned(), home.display().to_string()),
        ("TMPDIR".to_owned(), temporary.display().to_string()),
    ]);
    environment.extend(configured.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment
}

/// What to do where the machine has no such tool.
pub(super) fn how_to_get(tool: &str) -> &'static str {
    match tool {
        "python3" => "install the packages python3 and python3-venv on this host",
        "cargo" => {
            "install the package cargo on this host, or name rustup's directories in build_env \
             (PATH, RUSTUP_HOME)"
        }
        "npm" => "install the packages nodejs and npm on this host",
        "make" => "install the package make on this host",
        _ => "install it on this host, or name its directory in build_env (PATH)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_configured_wins() {
        let configured = BTreeMap::from([
            ("HOME".to_owned(), "/srv/home".to_owned()),
            ("PIP_INDEX_URL".to_owned(), "https://packages.example.org".to_owned()),
        ]);
        let environment = environment(Path::new("/h"), Path::new("/t"), &configured);
        assert_eq!(environment["HOME"], "/srv/home");
        assert_eq!(environment["TMPDIR"], "/t");
        assert_eq!(environment.len(), 3);
    }
}
