//! Which commands build a release. Pure: what the host says wins over what the release says, and
//! that over what the release looks like.

use std::time::Duration;

use protocol::{BuildKind, ReleaseManifest};

use super::contents::Contents;
use super::python;
use crate::config::{AppConfig, BuildSetting};

/// What a build is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// What kind of build it is.
    pub kind: BuildKind,
    /// One after the other, in the release; the first that fails ends the build.
    pub commands: Vec<Vec<String>>,
    /// For all of them together.
    pub timeout: Duration,
}

/// Plans the build of a release that contains `contents`.
pub fn plan(app: &AppConfig, manifest: &ReleaseManifest, contents: &Contents) -> BuildPlan {
    let section = manifest.build.as_ref();
    let own = section.and_then(|build| build.command.as_ref());
    let (kind, commands) = match (&app.build, own) {
        (BuildSetting::Command(words), _) => given(words),
        (BuildSetting::Auto, Some(command)) => given(&command.0),
        (BuildSetting::Auto, None) => guessed(contents),
    };
    let host = app.build_timeout.0;
    let timeout = section
        .and_then(|build| build.timeout)
        .map_or(host, |release| if release.0.is_zero() { host } else { host.min(release.0) });
    BuildPlan { kind, commands, timeout }
}

fn given(words: &[String]) -> (BuildKind, Vec<Vec<String>>) {
    if words.is_empty() {
        (BuildKind::None, Vec::new())
    } else {
        (BuildKind::Command, vec![words.to_vec()])
    }
}

/// A `pyproject.toml` that only holds the settings of some tools does not make a Rust or a Node
/// project a Python one; one that declares a project does, since such a project brings its
/// `Cargo.toml` along (maturin).
fn guessed(contents: &Contents) -> (BuildKind, Vec<Vec<String>>) {
    let pyproject = contents.pyproject();
    if contents.has("requirements.txt") || pyproject.is_some_and(python::declares_project) {
        return (BuildKind::Python, python::commands(contents));
    }
    if contents.has("Cargo.toml") {
        return (BuildKind::Cargo, cargo(contents));
    }
    if contents.has("package.json") {
        return (BuildKind::Npm, npm(contents));
    }
    if pyproject.is_some() {
        return (BuildKind::Python, python::commands(contents));
    }
    if ["Makefile", "makefile", "GNUmakefile"].iter().any(|name| contents.has(name)) {
        return (BuildKind::Make, vec![words(&["make"])]);
    }
    (BuildKind::None, Vec::new())
}

fn cargo(contents: &Contents) -> Vec<Vec<String>> {
    let mut command = words(&["cargo", "build", "--release"]);
    if contents.has("Cargo.lock") {
        command.push("--locked".to_owned());
    }
    vec![command]
}

fn npm(contents: &Contents) -> Vec<Vec<String>> {
    let locked = contents.has("package-lock.json") || contents.has("npm-shrinkwrap.json");
    let install = if locked { "ci" } else { "install" };
    vec![
        words(&["npm", install, "--no-audit", "--no-fund"]),
        words(&["npm", "run", "build", "--if-present"]),
    ]
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn app(lines: &str) -> AppConfig {
        let text = format!("[app.agent]\ninstall_dir = '/opt/agent'\n{lines}");
        Config::parse(&text).unwrap().apps.into_values().next().unwrap()
    }

    fn planned(lines: &str, manifest: &str, names: &[&str]) -> BuildPlan {
        let manifest = ReleaseManifest::parse(manifest).unwrap();
        plan(&app(lines), &manifest, &Contents::of(names, None))
    }

    #[test]
    fn the_host_wins_over_the_release_and_that_over_its_looks() {
        let own = "[build]\ncommand = 'make all'";
        let plan = planned("build = ['./b', 'x y']", own, &["Cargo.toml"]);
        assert_eq!((plan.kind, plan.commands), (BuildKind::Command, vec![words(&["./b", "x y"])]));
        let plan = planned("build = 'auto'", own, &["Cargo.toml"]);
        assert_eq!((plan.kind, plan.commands), (BuildKind::Command, vec![words(&["make", "all"])]));
        assert_eq!(planned("", "", &["Cargo.toml"]).kind, BuildKind::Cargo);
    }

    #[test]
    fn an_empty_command_builds_nothing() {
        assert_eq!(planned("build = []", "", &["Makefile"]).kind, BuildKind::None);
        assert_eq!(planned("", "[build]\ncommand = []", &["Makefile"]).kind, BuildKind::None);
        assert_eq!(planned("", "", &["bin", "README.md"]).commands, Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_release_can_only_shorten_the_timeout() {
        let timeout = |own| planned("build_timeout = '5m'", own, &[]).timeout.as_secs();
        assert_eq!(timeout(""), 300);
        assert_eq!(timeout("[build]\ntimeout = '10s'"), 10);
        assert_eq!(timeout("[build]\ntimeout = '1h'"), 300);
    }

    #[test]
    fn a_lock_file_is_held_to() {
        assert!(
            planned("", "", &["Cargo.toml", "Cargo.lock"]).commands[0].contains(&"--locked".into())
        );
        assert_eq!(
            planned("", "", &["Cargo.toml"]).commands,
            [words(&["cargo", "build", "--release"])]
        );
        let install = |names: &[&str]| planned("", "", names).commands[0][1].clone();
        assert_eq!(install(&["package.json", "package-lock.json"]), "ci");
        assert_eq!(install(&["package.json"]), "install");
    }

    #[test]
    fn the_settings_of_a_python_tool_make_no_python_project() {
        let with = |text: &str, names: &[&str]| {
            plan(&app(""), &ReleaseManifest::default(), &Contents::of(names, Some(text))).kind
        };
        assert_eq!(with("[tool.ruff]", &["Cargo.toml"]), BuildKind::Cargo);
        assert_eq!(with("[tool.ruff]", &["Makefile"]), BuildKind::Python);
        assert_eq!(with("[project]\nname = 'x'", &["Cargo.toml"]), BuildKind::Python);
        assert_eq!(planned("", "", &["requirements.txt", "package.json"]).kind, BuildKind::Python);
        assert_eq!(planned("", "", &["GNUmakefile"]).kind, BuildKind::Make);
    }
}
