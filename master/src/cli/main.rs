//! From the shell's words to an exit code.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use control::updater_client::Timeouts;
use explain::{Exit, Explain, Failure};
use time::OffsetDateTime;

use crate::cli::{Cli, completions, help};
use crate::environment::{Environment, terminal_environment};
use crate::output::{Output, OutputSettings};

/// Runs the program. `now` is the one clock that there is.
pub fn main(now: fn() -> OffsetDateTime) -> ExitCode {
    match completions::answer() {
        Ok(false) => {}
        Ok(true) => return Exit::Success.into(),
        Err(error) => return misread(&error),
    }
    let matches = help::command().try_get_matches();
    let cli = match matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let output = Output::standard(cli.output(), &terminal_environment());
    let timeouts = Timeouts::of(cli.timeout.0);
    let ended =
        cli.command.run(cli.home.as_deref(), Environment::read(), output.clone(), now, timeouts);
    let ended = ended.and_then(|exit| output.finish().map(|()| exit).map_err(Failure::from));
    match ended {
        Ok(exit) => exit.into(),
        // The operator wanted it to end, and knows why it did.
        Err(failure) if failure.exit() == Exit::Interrupted => Exit::Interrupted.into(),
        Err(failure) => failed(&output, &failure),
    }
}

/// Help and the version are no errors; a mistake is told as JSON to those who ask for JSON.
fn misread(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|word| word == OsStr::new("--json"));
    if json && error.use_stderr() {
        let settings = OutputSettings { json, ..OutputSettings::default() };
        let output = Output::standard(settings, &terminal_environment());
        return failed(&output, &Usage(summary(error)).into());
    }
    match error.print() {
        Err(_) => Exit::Failed.into(),
        Ok(()) if error.use_stderr() => Exit::Usage.into(),
        Ok(()) => Exit::Success.into(),
    }
}

fn failed(output: &Output, failure: &Failure) -> ExitCode {
    output.failure(failure);
    // A fault of stderr itself cannot be told to anybody.
    drop(output.finish());
    failure.exit().into()
}

/// The words were not understood.
#[derive(Debug, thiserror::Error)]
#[error("understand the command line: {0}")]
struct Usage(String);

impl Explain for Usage {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// What clap says before it repeats the usage, on one line.
fn summary(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said: Vec<_> = lines.take_while(|line| !line.starts_with("Usage:")).collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_on_one_line() {
        use clap::Parser as _;

        let error = Cli::try_parse_from(["swarm", "enroll", "--name", "web-1"]).unwrap_err();
        assert_eq!(
            summary(&error),
            "the following required arguments were not provided: --address <ADDRESS> \
             --out-dir <DIR>"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        help::command().debug_assert();
    }
}
