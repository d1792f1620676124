//! The program `updater`.

use std::process::ExitCode;

use clap::Parser as _;
use updater::cli::{Arguments, main as carry_out};
use updater::environment::Environment;

fn main() -> ExitCode {
    carry_out(&Arguments::parse(), &Environment::read())
}
