//! The program `swarm`.

use std::process::ExitCode;

use time::OffsetDateTime;

fn main() -> ExitCode {
    master::cli::main(OffsetDateTime::now_utc)
}
