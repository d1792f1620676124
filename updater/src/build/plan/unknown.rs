//! Files of builds that are not guessed: which they are, so that an empty guess is not taken for an answer.

use super::contents::Contents;

/// What a project is built by that is not guessed, the surest first.
const BUILD_FILES: [&str; 29] = [
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
];

/// What lists dependencies of another language, which a guessed build does not install.
const OTHER_LANGUAGES: [&str; 6] =
    ["go.mod", "Gemfile", "composer.json", "pom.xml", "build.gradle", "build.gradle.kts"];

/// The file by which the release is built, where that is not guessed.
pub(super) fn build_file(contents: &Contents) -> Option<&'static str> {
    contents.first_of(&BUILD_FILES)
}

/// What is said of a guessed build that leaves out what is there in another language.
pub(super) fn left_unbuilt(contents: &Contents) -> Option<String> {
    let file = contents.first_of(&OTHER_LANGUAGES)?;
    Some(format!("nothing is built by {file}: say `[build] commands` if it has to be"))
}
