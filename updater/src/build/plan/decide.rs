//! What a build is to do: what the host says wins over what the release says, and that over what the
//! release looks like.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{BuildKind, BuildSection, ReleaseManifest};

use super::contents::Contents;
use super::error::PlanError;
use super::guess::guess;
use super::recipe::{Recipe, WantedVersion};
use crate::config::{AppConfig, BuildSetting};

/// What a build is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// What kind of build it is.
    pub kind: BuildKind,
    /// What it is built with: `uv from uv.lock`; nothing where nothing is built.
    pub with: Option<String>,
    /// One after the other, in the release; the first that fails ends the build.
    pub commands: Vec<Vec<String>>,
    /// Run after them, where its program is there then.
    pub compile: Option<Vec<String>>,
    /// For all of them together.
    pub timeout: Duration,
    /// How many things it may do at once; where it is not said, as many as the machine can.
    pub jobs: Option<u32>,
    /// What is removed of the release after it.
    pub clean: Vec<String>,
    /// What its tools are told in their environment.
    pub environment: BTreeMap<String, String>,
    /// What the host must have before anything is begun.
    pub tools: Vec<Tool>,
    pub versions: Vec<WantedVersion>,
    /// The lock file that it passes over, because the release says so.
    pub ignored_lock: Option<String>,
    /// What an operator may not expect of it.
    pub notes: Vec<String>,
}

/// A program that the host must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    pub program: String,
    /// The lock file that only this program reads.
    pub lock: Option<String>,
}

/// Plans the build of a release that contains `contents`.
pub fn plan(
    app: &AppConfig,
    manifest: &ReleaseManifest,
    contents: &Contents,
) -> Result<BuildPlan, PlanError> {
    let none = BuildSection::default();
    let section = manifest.build.as_ref().unwrap_or(&none);
    let base = BuildPlan {
        kind: BuildKind::None,
        with: None,
        commands: Vec::new(),
        compile: None,
        timeout: timeout(app, section),
        jobs: section.jobs,
        clean: section.clean.clone(),
        environment: BTreeMap::new(),
        tools: Vec::new(),
        versions: Vec::new(),
        ignored_lock: None,
        notes: Vec::new(),
    };
    let own = match (&section.command, &section.commands) {
        (Some(command), _) => Some(vec![command.0.clone()]),
        (None, Some(several)) => Some(several.iter().map(|command| command.0.clone()).collect()),
        (None, None) => None,
    };
    let given = |commands: Vec<Vec<String>>, by: &str| {
        let commands: Vec<_> = commands.into_iter().filter(|words| !words.is_empty()).collect();
        let (kind, with) = match commands.first() {
            None => (BuildKind::None, None),
            Some(_) => (BuildKind::Command, Some(format!("the command of {by}"))),
        };
        BuildPlan { kind, with, commands, ..base.clone() }
    };
    Ok(match (&app.build, own) {
        (BuildSetting::Command(words), _) => given(vec![words.clone()], "updater.toml"),
        (BuildSetting::Auto, Some(commands)) => given(commands, "release.toml"),
        (BuildSetting::Auto, None) => match guess(contents, section)? {
            Some(recipe) => of_recipe(recipe, base),
            None => match contents.unguessed(section) {
                Some(file) => return Err(PlanError::UnknownBuild { file }),
                None => base,
            },
        },
    })
}

fn timeout(app: &AppConfig, section: &BuildSection) -> Duration {
    let host = app.build_timeout.0;
    let limit = app.build_timeout_limit.map_or(host, |limit| host.max(limit.0));
    section.timeout.map_or(host, |own| if own.0.is_zero() { host } else { limit.min(own.0) })
}

fn of_recipe(recipe: Recipe, base: BuildPlan) -> BuildPlan {
    let mut tools: Vec<Tool> = Vec::new();
    for program in recipe.commands.iter().filter_map(|command| command.first()) {
        // What has a slash in it is made by a command before.
        if !program.contains('/') && !tools.iter().any(|tool| tool.program == *program) {
            let lock = recipe.lock.clone().filter(|_| program == recipe.by.0);
            tools.push(Tool { program: program.clone(), lock });
        }
    }
    // The one without which there is no other way is told first.
    tools.sort_by_key(|tool| tool.lock.is_none());
    BuildPlan {
        with: Some(recipe.with()),
        kind: recipe.kind,
        commands: recipe.commands,
        compile: recipe.compile,
        environment: recipe.environment,
        tools,
        versions: recipe.versions,
        ignored_lock: recipe.ignored_lock,
        notes: recipe.notes,
        ..base
    }
}

impl BuildPlan {
    /// What it came to, in one line for people.
    pub fn words(&self) -> String {
        let built = match &self.with {
            Some(with) => format!("built with {with}"),
            None => "nothing to build".to_owned(),
        };
        std::iter::once(&built).chain(&self.notes).cloned().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;
    use crate::build::plan::recipe::words;

    fn app(lines: &str) -> AppConfig {
        let text = format!("[app.agent]\ninstall_dir = '/opt/agent'\n{lines}");
        Config::parse(&text).unwrap().apps.into_values().next().unwrap()
    }

    fn tried(lines: &str, manifest: &str, names: &[&str]) -> Result<BuildPlan, PlanError> {
        let manifest = ReleaseManifest::parse(manifest).unwrap();
        let files: Vec<_> = names.iter().map(|name| (*name, "")).collect();
        plan(&app(lines), &manifest, &Contents::of(&files))
    }

    fn planned(lines: &str, manifest: &str, names: &[&str]) -> BuildPlan {
        tried(lines, manifest, names).unwrap()
    }

    #[test]
    fn the_host_wins_over_the_release_and_that_over_its_looks() {
        let own = "[build]\ncommand = 'make all'";
        let plan = planned("build = ['./b', 'x y']", own, &["Cargo.toml"]);
        assert_eq!((plan.kind, plan.commands), (BuildKind::Command, vec![words(&["./b", "x y"])]));
        let plan = planned("build = 'auto'", own, &["Cargo.toml"]);
        assert_eq!((plan.kind, plan.commands), (BuildKind::Command, vec![words(&["make", "all"])]));
        assert_eq!(plan.with.as_deref(), Some("the command of release.toml"));
        assert_eq!(planned("", "", &["Cargo.toml"]).kind, BuildKind::Cargo);
    }

    #[test]
    fn several_commands_are_run_one_after_the_other() {
        let own = "[build]\ncommands = [['./configure'], 'make', 'make install']";
        let commands = planned("", own, &["configure"]).commands;
        assert_eq!(
            commands,
            [words(&["./configure"]), words(&["make"]), words(&["make", "install"])]
        );
    }

    #[test]
    fn an_empty_command_builds_nothing() {
        assert_eq!(planned("build = []", "", &["Makefile"]).kind, BuildKind::None);
        for nothing in ["command = []", "commands = []"] {
            let plan = planned("", &format!("[build]\n{nothing}"), &["Makefile", "go.mod"]);
            assert_eq!(plan.words(), "nothing to build");
            assert_eq!(plan.kind, BuildKind::None);
        }
        assert_eq!(planned("", "", &["bin", "README.md"]).commands, Vec::<Vec<String>>::new());
    }

    #[test]
    fn lesson_an_empty_guess_is_no_answer() {
        for file in ["CMakeLists.txt", "configure", "meson.build", "go.mod", "Gemfile", "pom.xml"] {
            let refused = tried("", "", &[file, "README.md"]).unwrap_err().to_string();
            let says = format!("I see {file}: say `[build] command`, or `[]`");
            assert!(refused.contains(&says), "{refused}");
            assert_eq!(planned("", "", &[file, "Makefile"]).kind, BuildKind::Make);
            assert_eq!(planned("build = []", "", &[file]).kind, BuildKind::None);
        }
    }

    #[test]
    fn a_lock_file_alone_is_not_passed_over() {
        for (lock, project) in [
            ("Pipfile.lock", "Pipfile"),
            ("uv.lock", "pyproject.toml"),
            ("poetry.lock", "pyproject.toml"),
        ] {
            let refused = tried("", "", &[lock, "requirements.txt"]).unwrap_err();
            let said = refused.to_string();
            assert!(said.contains(&format!("there is no {project} beside it")), "{said}");
            assert_eq!(refused.file(), lock);
            let ignored = "[build]\nlock = 'ignore'";
            let plan = planned("", ignored, &[lock, "requirements.txt"]);
            assert_eq!((plan.kind, plan.ignored_lock.as_deref()), (BuildKind::Python, Some(lock)));
            let named = "[build]\npython = { requirements = true }";
            assert_eq!(planned("", named, &[lock, "requirements.txt"]).ignored_lock, None);
        }
        assert!(tried("", "", &["uv.lock"]).is_err());
        // Another lock is whole.
        let plan = planned("", "", &["Pipfile.lock", "pylock.toml"]);
        assert_eq!(plan.with.as_deref(), Some("uv from pylock.toml"));
        assert_eq!(
            plan.tools[0],
            Tool { program: "uv".to_owned(), lock: Some("pylock.toml".into()) }
        );
    }

    #[test]
    fn a_release_asks_for_as_much_time_as_the_host_allows() {
        let timeout = |own| planned("build_timeout = '5m'", own, &[]).timeout.as_secs();
        assert_eq!(timeout(""), 300);
        assert_eq!(timeout("[build]\ntimeout = '10s'"), 10);
        assert_eq!(timeout("[build]\ntimeout = '1h'"), 300);
        let with_limit = "build_timeout = '5m'\nbuild_timeout_limit = '30m'";
        let timeout = |own| planned(with_limit, own, &[]).timeout.as_secs();
        assert_eq!((timeout(""), timeout("[build]\ntimeout = '1h'")), (300, 1800));
    }

    #[test]
    fn the_program_of_a_lock_file_is_looked_for_first() {
        let tools = planned("", "", &["poetry.lock", "pyproject.toml"]).tools;
        let tools: Vec<_> =
            tools.iter().map(|tool| (tool.program.as_str(), tool.lock.as_deref())).collect();
        assert_eq!(tools, [("poetry", Some("poetry.lock")), ("python3", None)]);
        let plan = planned("", "", &["package.json", "package-lock.json"]);
        assert_eq!(plan.words(), "built with npm from package-lock.json");
        assert_eq!(plan.tools, [Tool { program: "npm".to_owned(), lock: None }]);
    }

    #[test]
    fn what_is_not_expected_is_in_its_words() {
        let own = "[build]\nlock = 'ignore'";
        let said = planned("", own, &["package.json", "yarn.lock"]).words();
        assert!(
            said.starts_with("built with npm from package.json; yarn.lock is ignored"),
            "{said}"
        );
    }
}
