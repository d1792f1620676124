//! The files by which projects are built: by which of them a host guesses how, and by which it does not, so
//! that an empty guess is not taken for an answer. Who packs a tree and who builds it say the same of it.

use crate::{BuildSection, PythonSection};

/// What a project is built by that is not guessed, the surest first.
const UNGUESSED: [&str; 32] = [
    "CMakeLists.txt",
    "configure",
    "configure.ac",
    "autogen.sh",
    "meson.build",
    "go.mod",
    "Gemfile",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "build.sbt",
    "build.xml",
    "project.clj",
    "Pipfile",
    "Makefile.PL",
    "Build.PL",
    "cpanfile",
    "mix.exs",
    "rebar.config",
    "stack.yaml",
    "Package.swift",
    "dune-project",
    "build.zig",
    "SConstruct",
    "wscript",
    "pubspec.yaml",
    // Of a project whose own file is not there.
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
];

/// What a build is guessed by, whatever is in it. `setup.cfg` is only by what is in it.
pub const GUESSED_BUILD_FILES: [&str; 10] = [
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
    "Pipfile.lock",
    "pylock.toml",
    "Cargo.toml",
    "package.json",
    "GNUmakefile",
    "makefile",
    "Makefile",
];

/// Whether a `setup.cfg` is of a Python project: many only hold the settings of some tools.
pub fn is_setup_cfg_of_project(text: &str) -> bool {
    text.lines().any(|line| matches!(line.trim(), "[metadata]" | "[options]"))
}

/// The file by which a tree is built that no host guesses how to build: neither does the release say it,
/// nor is there a file by which one guesses. `has` tells the files at its root, `setup_cfg` is the text
/// of that one.
pub fn unguessed_build_file(
    section: &BuildSection,
    has: impl Fn(&str) -> bool,
    setup_cfg: &str,
) -> Option<&'static str> {
    let says = section.command.is_some()
        || section.commands.is_some()
        || section.python != PythonSection::default();
    let is_guessed = says
        || GUESSED_BUILD_FILES.iter().any(|name| has(name))
        || is_setup_cfg_of_project(setup_cfg);
    if is_guessed { None } else { UNGUESSED.into_iter().find(|name| has(name)) }
}

/// What is said of such a file.
pub fn unguessed_words(file: &str) -> String {
    format!("I see {file}: say `[build] command`, or `[]` to build nothing, in release.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unguessed(lines: &str, names: &[&str], setup_cfg: &str) -> Option<&'static str> {
        let section = toml::from_str(lines).unwrap();
        unguessed_build_file(&section, |name| names.contains(&name), setup_cfg)
    }

    #[test]
    fn only_what_nothing_else_says_is_not_guessed() {
        assert_eq!(unguessed("", &["go.mod", "CMakeLists.txt"], ""), Some("CMakeLists.txt"));
        assert_eq!(unguessed("", &["main.c"], ""), None);
        for guessed in GUESSED_BUILD_FILES {
            assert_eq!(unguessed("", &["go.mod", guessed], ""), None);
        }
        for said in ["command = []", "commands = ['make']", "python = { requirements = true }"] {
            assert_eq!(unguessed(said, &["go.mod"], ""), None, "{said}");
        }
        assert_eq!(unguessed("", &["go.mod"], "[flake8]\n"), Some("go.mod"));
        assert_eq!(unguessed("", &["go.mod"], "[metadata]\nname = x\n"), None);
    }
}
