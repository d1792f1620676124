//! The program `updater`: what the unit starts, and what a person on the host types.

mod alone;
mod args;
mod cache;
mod candidates;
mod check;
mod client;
mod completions;
mod drill;
mod enroll;
mod errors;
mod kept_release;
mod logging;
mod man;
mod operate;
mod operator;
mod rollback;
mod run;
mod status;
mod system;
mod trust;

pub use args::{Arguments, Command};
pub use completions::answer;
pub use errors::{CliError, exit_code, render};

use std::io::{IsTerminal as _, stderr, stdout};
use std::process::ExitCode;

use crate::cli::system::failed_at;
use crate::environment::Environment;
use crate::runner::write_log;
use crate::sys::crash_at;
use crate::systemd::BusConnection;
use crate::transaction::Operation;

/// Carries out what was typed.
pub fn main(arguments: &Arguments, environment: &Environment) -> ExitCode {
    if let Some(wanted) = environment.crash_at() {
        crash_at(wanted);
    }
    let systemd = BusConnection::new(environment.bus_address());
    let style = |is_terminal| environment.terminal().style(arguments.color, is_terminal);
    let (out, err) = (style(stdout().is_terminal()), style(stderr().is_terminal()));
    let done = match &arguments.command {
        Command::Run(asked) => run::run(asked, environment),
        Command::Check(asked) => check::check(asked, environment, &systemd, out),
        Command::Enroll(asked) => enroll::enroll_host(asked, environment, &systemd),
        Command::Status(asked) => status::status(asked, systemd, out),
        Command::Rollback(asked) => rollback::rollback(asked, environment, systemd),
        Command::Drill(asked) => drill::drill(asked, &systemd),
        Command::DrillAct(asked) => drill::act(asked, &systemd),
        Command::LogWriter(asked) => {
            let written = write_log(asked.log.clone(), asked.limit).map(|()| true);
            written.map_err(failed_at("keep what an agent prints"))
        }
        Command::Stop(asked) => operate::operate(Operation::Stop, asked, environment, systemd),
        Command::Start(asked) => operate::operate(Operation::Start, asked, environment, systemd),
        Command::Restart(asked) => {
            operate::operate(Operation::Restart, asked, environment, systemd)
        }
        Command::Trust(asked) => trust::trust(asked, environment),
        Command::Cache(asked) => cache::cache(asked),
        Command::Completions(asked) => completions::completions(asked),
        Command::Man(asked) => man::man(asked),
    };
    exit_code(done, err)
}
