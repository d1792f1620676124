//! The program `updater`: what the unit starts, and what a person on the host types.

mod args;
mod check;
mod client;
mod drill;
mod enroll;
mod errors;
mod logging;
mod man;
mod operate;
mod rollback;
mod run;
mod status;

pub use args::{Arguments, Command};
pub use errors::{CliError, exit_code, render};

use std::process::ExitCode;

use crate::transaction::Operation;

/// Carries out what was typed.
pub fn main(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.command {
        Command::Run(asked) => run::run(asked),
        Command::Check(asked) => check::check(asked),
        Command::Enroll(asked) => enroll::enroll_host(asked),
        Command::Status(asked) => status::status(asked),
        Command::Rollback(asked) => rollback::rollback(asked),
        Command::Drill(asked) => drill::drill(asked),
        Command::DrillAct(asked) => drill::act(asked),
        Command::Stop(asked) => operate::operate(Operation::Stop, asked),
        Command::Start(asked) => operate::operate(Operation::Start, asked),
        Command::Restart(asked) => operate::operate(Operation::Restart, asked),
        Command::Man(asked) => man::man(asked),
    };
    exit_code(done)
}
