//! The program `updater`.

use std::process::ExitCode;

use clap::Parser as _;
use updater::cli::{Arguments, main as carry_out};

fn main() -> ExitCode {
    carry_out(&Arguments::parse())
}
