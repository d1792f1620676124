//! What a guessed build leaves out, so that it is not taken for more than it is.

use super::contents::Contents;

/// What lists dependencies of another language, which a guessed build does not install.
const OTHER_LANGUAGES: [&str; 6] =
    ["go.mod", "Gemfile", "composer.json", "pom.xml", "build.gradle", "build.gradle.kts"];

/// What is said of a guessed build that leaves out what is there in another language.
pub(super) fn left_unbuilt(contents: &Contents) -> Option<String> {
    let file = contents.first_of(&OTHER_LANGUAGES)?;
    Some(format!("nothing is built by {file}: say `[build] commands` if it has to be"))
}
