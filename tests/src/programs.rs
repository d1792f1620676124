//! Where the programs are that the tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

/// Says where the programs are, for whoever built them already.
const DIRECTORY: &str = "FLEET_PROGRAMS";

static BUILT: OnceLock<PathBuf> = OnceLock::new();

/// The program of this name: `updater`, `swarm` or `agent`, never a stale one.
///
/// # Errors
/// When it cannot be built.
pub fn program(name: &str) -> Result<PathBuf> {
    if BUILT.get().is_none() {
        let built = std::env::var_os(DIRECTORY).map(PathBuf::from);
        let built = built.map_or_else(build, Ok)?;
        BUILT.get_or_init(|| built);
    }
    let directory = BUILT.get().context("it was just put there")?;
    let path = directory.join(name);
    ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

/// Builds them in the profile of the running program, which is beside them, or one directory down.
fn build() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let mut directory = here.parent().context("a program is in a directory")?;
    if directory.ends_with("deps") {
        directory = directory.parent().context("deps is in a directory")?;
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--quiet", "--bins"]);
    cargo.args(["--package", "updater", "--package", "master", "--package", "fleet-tests"]);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().context("run cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(directory.to_owned())
}
