//! The programs, as `tests/data/programs/` has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use fleet_tests::{Example, entries_below};
use serde::Deserialize;

const FILES: [&str; 4] = [
    include_str!("../../../data/programs/prebuilt.toml"),
    include_str!("../../../data/programs/python.toml"),
    include_str!("../../../data/programs/node.toml"),
    include_str!("../../../data/programs/native.toml"),
];
/// The lines of a host of which a row says nothing else.
const USUAL_HOST: &str = "[app.agent.health]\nurl = \"http://127.0.0.1:8080/\"\n";
/// Where a row's version goes.
const VERSION: &str = "@VERSION@";

/// One row. `@VERSION@` stands for its version wherever that may be. Programs listen on `127.0.0.1:8080`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Program {
    pub(crate) number: String,
    pub(crate) name: String,
    /// The one that is pushed first, and the one that it is upgraded to.
    pub(crate) versions: [String; 2],
    /// The release says its version itself, as git has it.
    #[serde(default)]
    version_from_git: bool,
    #[serde(default)]
    pub(crate) source: Origin,
    /// Programs, or files, of this machine.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// A folder of `examples/`, whose files are a part of it.
    example: Option<String>,
    /// Files of its own.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What its developer does in the tree before it is pushed.
    #[serde(default)]
    pub(crate) prepare: Vec<Vec<String>>,
    command: Vec<String>,
    /// On which it ends well, where that is not TERM.
    pub(crate) stop_signal: Option<String>,
    /// Where the lines that are swarm's are.
    #[serde(default = "usual_manifest")]
    manifest: String,
    /// The lines of the host's `updater.toml`.
    host: Option<String>,
    /// What of these a person has to write, in one line.
    also: Option<String>,
    /// A path, and what is in the answer to it.
    pub(crate) answer: Option<[String; 2]>,
    /// What has to be written, if it does not work without it.
    pub(crate) written: Option<Written>,
}

/// Where the files of a program are got from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// The row has them.
    #[default]
    Row,
    /// A source distribution, as pip names it: `flask==1.0`.
    Sdist(String),
    /// A crate: `bore-cli=0.5.0`.
    Crate(String),
    /// A source package, as apt names it: `nginx/bookworm`.
    DebianSource(String),
    /// Packages, as apt names them.
    Debian(Vec<String>),
}

/// Lines beyond the name, the version and the command.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Written {
    /// In one line, for people.
    words: String,
    /// At the end of the release's lines.
    #[serde(default)]
    release: String,
    /// In place of those of the host.
    host: Option<String>,
    /// Besides, or in place of, its files.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// All of them, the least expensive ones first.
///
/// # Errors
/// When a row cannot be read.
pub(crate) fn programs() -> Result<Vec<Program>> {
    #[derive(Deserialize)]
    struct File {
        program: Vec<Program>,
    }
    let mut all = Vec::new();
    for text in FILES {
        all.extend(toml::from_str::<File>(text)?.program);
    }
    Ok(all)
}

fn usual_manifest() -> String {
    "release.toml".to_owned()
}

impl Program {
    /// Writes its files, in the form of `examples/`, as it is at this version: without what has to be written,
    /// or with it.
    pub(crate) fn write(&self, version: &str, is_written: bool, into: &Path) -> Result<()> {
        let written = self.written.as_ref().filter(|_| is_written);
        if let Some(example) = &self.example {
            let example = Example::named(example);
            let directory = example.directory();
            for path in entries_below(directory, &[])?.into_keys() {
                let name = path.to_str().context("a name that is text")?;
                if directory.join(name).is_file() {
                    write(into, name, &fs::read_to_string(directory.join(name))?)?;
                }
            }
        }
        let own = self.files.iter().chain(written.iter().flat_map(|written| &written.files));
        for (name, text) in own {
            write(into, name, &at_version(text, version))?;
        }
        let host = written.and_then(|written| written.host.as_ref()).or(self.host.as_ref());
        write(into, "updater.toml", host.map_or(USUAL_HOST, String::as_str))?;
        write(into, &self.manifest, &self.manifest_text(version, written))
    }

    fn manifest_text(&self, version: &str, written: Option<&Written>) -> String {
        let mut text = "name = \"program\"\n".to_owned();
        if !self.version_from_git {
            let _ = writeln!(text, "version = {version:?}");
        }
        let _ = writeln!(text, "[run]\ncommand = {:?}", self.command);
        if let Some(signal) = &self.stop_signal {
            let _ = writeln!(text, "stop_signal = {signal:?}");
        }
        if let Some(written) = written {
            text.push_str(&at_version(&written.release, version));
        }
        text
    }

    /// What has to be written, for people.
    pub(crate) fn words(&self, is_written: bool) -> String {
        let signal = self.stop_signal.as_ref().map(|signal| format!("`stop_signal = {signal:?}`"));
        let written = self.written.as_ref().filter(|_| is_written);
        let written = written.map(|written| written.words.clone());
        let words: Vec<String> =
            written.into_iter().chain(signal).chain(self.also.clone()).collect();
        if words.is_empty() { "–".to_owned() } else { words.join("; ") }
    }

    /// The two versions, for people.
    pub(crate) fn versions_in_words(&self) -> String {
        self.versions.join(" → ")
    }
}

/// A text, or a word, as it is at this version.
pub(crate) fn at_version(text: &str, version: &str) -> String {
    text.replace(VERSION, version)
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_written() {
        let all = programs().unwrap();
        let mut numbers: Vec<&str> = all.iter().map(|program| program.number.as_str()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all.len(), "two rows have one number");
        for program in &all {
            let directory = tempfile::tempdir().unwrap();
            for is_written in [false, true] {
                program.write(&program.versions[1], is_written, directory.path()).unwrap();
            }
            let manifest = fs::read_to_string(directory.path().join(&program.manifest)).unwrap();
            assert!(manifest.parse::<toml::Table>().is_ok(), "{}: {manifest}", program.name);
        }
    }

    #[test]
    fn all_thirty_seven_are_there() {
        let all = programs().unwrap();
        for number in 1..=37 {
            let number = number.to_string();
            let is_of = |program: &&Program| {
                program.number.trim_end_matches(|part: char| part.is_ascii_lowercase()) == number
            };
            assert!(all.iter().any(|program| is_of(&program)), "there is no row {number}");
        }
    }
}
