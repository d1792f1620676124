//! The table of what came of each program.

use crate::attempt::{Measured, Outcome};
use crate::table::Program;

pub(crate) const HEADER: &str = "\
| # | program | versions | built by | first try | build s | proven s | back s | what to write |
|---|---|---|---|---|---|---|---|---|";
/// Characters of a reason in the table.
const REASON: usize = 300;

/// How many came to what.
#[derive(Debug, Default)]
pub(crate) struct Report {
    first_try: usize,
    written: usize,
    failed: usize,
    not_tried: usize,
}

impl Report {
    /// Counts a program, and gives its line.
    pub(crate) fn add(&mut self, program: &Program, outcome: Outcome) -> String {
        let head =
            format!("| {} | {} | {} |", program.number, program.name, program.versions_in_words());
        match outcome {
            Outcome::Worked { measured, first_said: None } => {
                self.first_try += 1;
                format!("{head} {} | {} |", columns(&measured, "yes"), program.words(false))
            }
            Outcome::Worked { measured, first_said: Some(said) } => {
                self.written += 1;
                let words = program.words(true);
                format!("{head} {} | {words} (else: {}) |", columns(&measured, "no"), cell(&said))
            }
            Outcome::Failed(reason) => {
                self.failed += 1;
                format!("{head} | FAILED | | | | {} |", cell(&reason))
            }
            Outcome::NotTried(reason) => {
                self.not_tried += 1;
                format!("{head} | not tried | | | | {} |", cell(&reason))
            }
        }
    }

    pub(crate) fn summary(&self) -> String {
        let Self { first_try, written, failed, not_tried } = self;
        format!(
            "{first_try} work as they are, {written} with the line to write, {failed} failed, {not_tried} not \
             tried; after each end no process of the user was left"
        )
    }

    pub(crate) const fn failed(&self) -> bool {
        self.failed > 0
    }
}

fn columns(measured: &Measured, first_try: &str) -> String {
    let seconds = |all: &[f64]| {
        let all: Vec<String> = all.iter().map(|seconds| format!("{seconds:.1}")).collect();
        all.join(", ")
    };
    let mut by = measured.built_with.clone();
    for note in &measured.notes {
        by = format!("{by}; {note}");
    }
    let (build, proven) = (seconds(&measured.build), seconds(&measured.proven));
    format!("{} | {first_try} | {build} | {proven} | {:.1}", cell(&by), measured.back)
}

/// A text in one cell, without where this run had its files.
fn cell(text: &str) -> String {
    let word = |word: &str| match word.split_once("/releases/store/") {
        Some((_, below)) => below.split_once('/').map_or(below, |(_, path)| path).to_owned(),
        None => word.replace('|', "\\|"),
    };
    let line = text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    line.chars().take(REASON).collect()
}
