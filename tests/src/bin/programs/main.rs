//! Runs programs that nobody here wrote: each is got from where its users get it, pushed to a host, upgraded,
//! rolled back and stopped, and after each of these every process of its user is looked at. Prints a table
//! of what came of it, and of what there was to write.
//!
//! Words are numbers of rows (`25`) or parts of their names (`nginx`); without any, all are tried.

mod attempt;
mod report;
mod sources;
mod table;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use attempt::{Outcome, attempt};
use report::Report;
use sources::Cache;
use table::{Program, programs};

#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of rows, or parts of their names; without any, all.
    rows: Vec<String>,
    /// The user that the programs run as. Nothing else may run as that user.
    #[arg(long, default_value = "daemon")]
    user: String,
    /// Where what is downloaded is kept for the next time.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let cache = Cache::in_directory(&match arguments.cache {
        Some(directory) => std::path::absolute(directory)?,
        None => beside_this_program()?,
    })?;
    let chosen = |program: &Program| {
        let fits = |word: &String| {
            *word == program.number
                || !word.starts_with(|first: char| first.is_ascii_digit())
                    && program.name.contains(word.as_str())
        };
        arguments.rows.is_empty() || arguments.rows.iter().any(fits)
    };
    let mut report = Report::default();
    say(report::HEADER)?;
    for program in programs()?.iter().filter(|program| chosen(program)) {
        // An error here is of this machine, not of the program: nothing was tried.
        let outcome = attempt(program, &cache, &arguments.user)
            .unwrap_or_else(|error| Outcome::NotTried(format!("{error:#}")));
        say(&report.add(program, outcome))?;
    }
    say(&report.summary())?;
    Ok(if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Below the directory that everything built is in.
fn beside_this_program() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("/var/tmp"));
    Ok(target.join("real-programs"))
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
