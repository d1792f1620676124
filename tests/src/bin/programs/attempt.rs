//! One program: pushed, upgraded, rolled back and stopped.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use fleet_tests::{Example, Output, Setup, Story, Tree, build_environment_of_user};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::sources::{Cache, copy, run};
use crate::table::{Origin, Program, at_version};

/// What came of it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Why this machine could not try it.
    NotTried(String),
    Worked {
        measured: Measured,
        /// What was said without the lines that have to be written, where it did not work then.
        first_said: Option<String>,
    },
    Failed(String),
}

/// What it took, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) built_with: String,
    /// A build for each version.
    pub(crate) build: Vec<f64>,
    /// From the switch to the proof.
    pub(crate) proven: Vec<f64>,
    /// All of the rollback.
    pub(crate) back: f64,
    /// What the updater noted.
    pub(crate) notes: Vec<String>,
}

/// Tries it as it is, and if that fails, with what has to be written.
///
/// # Errors
/// When this machine cannot try it.
pub(crate) fn attempt(program: &Program, cache: &Cache, user: &str) -> Result<Outcome> {
    for needed in &program.needs {
        let mut which = Command::new("sh");
        which.args(["-c", "command -v \"$1\" || test -e \"$1\"", "sh", needed]);
        ensure!(Output::of(&mut which)?.code == 0, "{needed} is not there");
    }
    let trees = program.versions.each_ref().map(|version| cache.tree_of(&program.source, version));
    let [older, newer] = trees;
    let rust = match program.source {
        Origin::Crate(_) => Some(cache.rust()?),
        _ => None,
    };
    let attempt = Attempt { program, user, trees: [older?, newer?], rust };
    let first = match attempt.run(false) {
        Ok(measured) => return Ok(Outcome::Worked { measured, first_said: None }),
        Err(error) => format!("{error:#}"),
    };
    if program.written.is_none() {
        return Ok(Outcome::Failed(first));
    }
    Ok(match attempt.run(true) {
        Ok(measured) => Outcome::Worked { measured, first_said: Some(first) },
        Err(error) => Outcome::Failed(format!("{error:#}")),
    })
}

struct Attempt<'a> {
    program: &'a Program,
    user: &'a str,
    trees: [Option<PathBuf>; 2],
    /// A compiler that the user can reach.
    rust: Option<PathBuf>,
}

impl Attempt<'_> {
    fn run(&self, is_written: bool) -> Result<Measured> {
        let directories = [tempfile::tempdir()?, tempfile::tempdir()?];
        for (version, directory) in self.program.versions.iter().zip(&directories) {
            self.program.write(version, is_written, directory.path())?;
        }
        let examples = directories.each_ref().map(|it| Example::at(it.path().to_owned()));
        let story = Story::begin(examples[0].clone(), self.user, |setup| self.setup(setup))?;
        let mut measured = Measured::default();
        for (index, example) in examples.iter().enumerate() {
            let tree = self.tree(index, &example.tree(story.host()?.agent)?)?;
            measured.add(&pushed(&story, &tree)?)?;
            story.runs_alone()?;
            self.answers(&story, index)?;
        }
        measured.back = seconds_of(&story.goes_back()?);
        self.answers(&story, 0)?;
        story.stops()?;
        Ok(measured)
    }

    fn setup(&self, setup: Setup) -> Setup {
        let path = self.rust.as_ref().map(|rust| format!("{}/bin:/usr/bin:/bin", rust.display()));
        let more: Vec<_> = path.iter().map(|path| ("PATH", path.as_str())).collect();
        setup
            .app("build", "'auto'")
            .app("build_env", &build_environment_of_user(&more))
            .app("build_timeout", "'1h'")
            .health("attempts", "300")
            .health("watch", "'2s'")
    }

    /// The release: what was got, and the row's own files, made ready as its developer does.
    fn tree(&self, index: usize, own: &Tree) -> Result<Tree> {
        let tree = Tree::empty()?;
        if let Some(got) = &self.trees[index] {
            copy(got, tree.path())?;
        }
        copy(own.path(), tree.path())?;
        for command in &self.program.prepare {
            let words = command.iter().map(|word| at_version(word, &self.program.versions[index]));
            let words: Vec<String> = words.collect();
            let (first, others) = words.split_first().context("a command has a word")?;
            run(Command::new(first).args(others).current_dir(tree.path()))?;
        }
        Ok(tree)
    }

    fn answers(&self, story: &Story, index: usize) -> Result<()> {
        let Some([path, words]) = &self.program.answer else { return Ok(()) };
        story.says(path, &at_version(words, &self.program.versions[index]))
    }
}

/// Pushes it; an update that was not one is an error with its reason and the end of its output.
fn pushed(story: &Story, tree: &Tree) -> Result<Output> {
    let output = story.pushes(tree)?;
    let Ok(row) = output.row("web-1") else { bail!("{}", said(&output)) };
    if output.code == 0 && row["outcome"] == "updated" {
        return Ok(output);
    }
    let lines = row["output"].as_array().cloned().unwrap_or_default();
    let last: Vec<&str> = lines.iter().rev().take(3).rev().filter_map(Value::as_str).collect();
    bail!("{}: {} {}", row["outcome"], row["detail"].as_str().unwrap_or_default(), last.join(" / "))
}

/// Why nothing was pushed.
fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    let error = texts.into_iter().find_map(|text| serde_json::from_str::<Value>(text).ok());
    let error = error.unwrap_or_default();
    let error = &error["error"];
    let parts = error["causes"].as_array().into_iter().flatten().chain([&error["hint"]]);
    let parts: Vec<&str> = parts.filter_map(Value::as_str).collect();
    if parts.is_empty() { format!("{}{}", output.stdout, output.stderr) } else { parts.join(": ") }
}

impl Measured {
    fn add(&mut self, output: &Output) -> Result<()> {
        let lines = output.lines()?;
        let phase = |name: &str| {
            lines.iter().find(|line| line["type"] == "host.phase" && line["data"]["phase"] == name)
        };
        let between = |from: &str, to: &str| -> Result<f64> {
            let (from, to) = (phase(from).context("a phase")?, phase(to).context("a phase")?);
            Ok((time_of(to)? - time_of(from)?).as_seconds_f64())
        };
        self.build.push(between("building", "staged")?);
        self.proven.push(between("switching", "watching")?);
        let with = phase("staged").and_then(|line| line["data"]["detail"].as_str());
        with.unwrap_or_default().clone_into(&mut self.built_with);
        let row = output.row("web-1")?;
        let note = row["detail"].as_str().filter(|note| !self.built_with.contains(note));
        self.notes.extend(note.map(str::to_owned));
        Ok(())
    }
}

fn time_of(line: &Value) -> Result<OffsetDateTime> {
    let text = line["time"].as_str().context("an event has a time")?;
    Ok(OffsetDateTime::parse(text, &Rfc3339)?)
}

fn seconds_of(row: &Value) -> f64 {
    row["duration_ms"].as_f64().unwrap_or_default() / 1000.0
}
