//! The program `updater`.

use std::process::ExitCode;

use clap::Parser as _;
use updater::cli::{Arguments, answer, main as carry_out};
use updater::environment::Environment;

fn main() -> ExitCode {
    match answer() {
        Ok(false) => carry_out(&Arguments::parse(), &Environment::read()),
        Ok(true) => ExitCode::SUCCESS,
        Err(error) => error.exit(),
    }
}
