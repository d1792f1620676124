//! The environment of a build, and what to do where it lacks a tool.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::BuildKind;

use super::facts::ReleaseFacts;
use super::plan::BuildPlan;

/// Where pip's settings of the machine are.
const PIP_OF_THE_MACHINE: &str = "/etc/pip.conf";
/// Where pip is told of an index, which may be a directory of the host.
const PIP_INDEXES: [&str; 3] = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"];

/// What a build finds on its host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) home: &'a Path,
    pub(super) temporary: &'a Path,
    /// What is known of the release.
    pub(super) facts: &'a ReleaseFacts,
    /// Whether it may use the network.
    pub(super) network: bool,
    /// How many things the machine can do at once.
    pub(super) cores: u32,
    /// What the host's configuration says.
    pub(super) configured: &'a BTreeMap<String, String>,
}

/// What a build gets over the standard environment: nothing of the updater's own leaks into it,
/// and what the host configured wins.
pub(super) fn environment(plan: &BuildPlan, around: Surroundings<'_>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("HOME".to_owned(), around.home.display().to_string()),
        ("TMPDIR".to_owned(), around.temporary.display().to_string()),
    ]);
    environment.extend(around.facts.variables());
    if plan.kind == BuildKind::Python {
        environment.extend(around.facts.python_version());
    }
    environment.extend(jobs(plan, around.cores));
    environment.extend(plan.environment.clone());
    if !around.network {
        let has_index = Path::new(PIP_OF_THE_MACHINE).exists()
            || PIP_INDEXES.iter().any(|name| around.configured.contains_key(*name));
        environment.extend(offline(has_index));
    }
    let configured = around.configured.iter();
    environment.extend(configured.map(|(name, value)| (name.clone(), value.clone())));
    environment
}

/// How many things are done at once. Cargo knows itself how many the machine can do.
fn jobs(plan: &BuildPlan, cores: u32) -> Vec<(String, String)> {
    let jobs = plan.jobs.unwrap_or(cores);
    let mut variables = vec![
        ("MAKEFLAGS".to_owned(), format!("-j{jobs}")),
        ("CMAKE_BUILD_PARALLEL_LEVEL".to_owned(), jobs.to_string()),
        // Of node-gyp, which builds the native parts of packages for npm.
        ("JOBS".to_owned(), jobs.to_string()),
    ];
    if plan.jobs.is_some() || plan.kind == BuildKind::Cargo {
        variables.push(("CARGO_BUILD_JOBS".to_owned(), jobs.to_string()));
    }
    variables
}

/// Tells the tools that there is no network, so that they say it at once instead of trying again. pip is not
/// told where it has an index, which may be a directory: only not to try again.
fn offline(has_index: bool) -> Vec<(String, String)> {
    let pip = if has_index { ("PIP_RETRIES", "0") } else { ("PIP_NO_INDEX", "1") };
    let variables = [
        pip,
        ("UV_OFFLINE", "1"),
        ("npm_config_offline", "true"),
        ("YARN_ENABLE_NETWORK", "0"),
        ("CARGO_NET_OFFLINE", "true"),
        ("GOPROXY", "off"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// What to do where the machine has no such tool.
pub(super) fn how_to_get(tool: &str) -> &'static str {
    match tool {
        "python3" => "install the packages python3 and python3-venv on this host",
        "cargo" => {
            "install the package cargo on this host, or name rustup's directories in build_env \
             (PATH, RUSTUP_HOME)"
        }
        "npm" | "node" => "install the packages nodejs and npm on this host",
        "make" => "install the package make on this host",
        "yarn" | "pnpm" => {
            "install it on this host (npm install --global, or corepack enable), or name its directory \
             in build_env (PATH)"
        }
        _ => "install it on this host, or name its directory in build_env (PATH)",
    }
}

#[cfg(test)]
mod tests {
    use protocol::ReleaseManifest;

    use super::super::plan::{Contents, plan};
    use super::*;
    use crate::config::AppConfig;

    fn of(manifest: &str, network: bool, configured: &[(&str, &str)]) -> BTreeMap<String, String> {
        let manifest = ReleaseManifest::parse(manifest).unwrap();
        let plan = plan(&AppConfig::new("/x"), &manifest, &Contents::default()).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let configured = configured.iter().map(own).collect();
        let facts = ReleaseFacts::default();
        let (home, temporary) = (Path::new("/h"), Path::new("/t"));
        let around = Surroundings {
            home,
            temporary,
            facts: &facts,
            network,
            cores: 4,
            configured: &configured,
        };
        environment(&plan, around)
    }

    #[test]
    fn what_the_host_configured_wins() {
        let environment = of("", true, &[("HOME", "/srv/home"), ("MAKEFLAGS", "-j1"), ("X", "y")]);
        assert_eq!(environment["HOME"], "/srv/home");
        assert_eq!(environment["TMPDIR"], "/t");
        assert_eq!((environment["MAKEFLAGS"].as_str(), environment["X"].as_str()), ("-j1", "y"));
    }

    #[test]
    fn a_build_does_as_many_things_at_once_as_the_machine_can_or_the_release_says() {
        let environment = of("", true, &[]);
        assert_eq!(environment["MAKEFLAGS"], "-j4");
        assert!(!environment.contains_key("CARGO_BUILD_JOBS"));
        let environment = of("[build]\njobs = 2", true, &[]);
        for name in ["CMAKE_BUILD_PARALLEL_LEVEL", "JOBS", "CARGO_BUILD_JOBS"] {
            assert_eq!(environment[name], "2", "{name}");
        }
    }

    #[test]
    fn tools_are_told_that_there_is_no_network() {
        let environment = of("", false, &[]);
        for name in ["npm_config_offline", "CARGO_NET_OFFLINE", "UV_OFFLINE"] {
            assert!(environment.contains_key(name), "{name}");
        }
        assert!(!of("", true, &[]).contains_key("UV_OFFLINE"));
        let own_index = of("", false, &[("PIP_INDEX_URL", "file:///srv/simple")]);
        assert!(!own_index.contains_key("PIP_NO_INDEX"));
        assert_eq!(own_index["PIP_RETRIES"], "0");
    }
}
