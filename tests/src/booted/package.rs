//! The Debian packages, as `make package` makes them, of the programs that the tests run.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Member;
use crate::Output;

/// Where the package of one of the programs lies (`updater`, `master`). It is made once a run.
///
/// # Errors
/// When it cannot be made.
pub fn package(crate_name: &str) -> Result<PathBuf> {
    made(&format!("swarm-{crate_name}_"))
}

/// The same, for systems with rpm.
///
/// # Errors
/// As of [`package`].
pub fn rpm_package(crate_name: &str) -> Result<PathBuf> {
    made(&format!("swarm-{crate_name}-"))
}

fn made(name: &str) -> Result<PathBuf> {
    let directory = match env::var_os("FLEET_PACKAGES") {
        Some(made) => PathBuf::from(made),
        None => make()?,
    };
    for file in fs::read_dir(&directory)? {
        let path = file?.path();
        if path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)) {
            return Ok(path);
        }
    }
    anyhow::bail!("there is no {name} in {}", directory.display())
}

/// What `tests/packages.sh` says: it ran before the tests, or runs now.
fn make() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packages.sh");
    let said = Command::new(script).stderr(Stdio::inherit()).output().context("run packages.sh")?;
    ensure!(said.status.success(), "packages.sh ended with {}", said.status);
    let text = String::from_utf8(said.stdout)?;
    let made = text.lines().find_map(|line| line.strip_prefix("FLEET_PACKAGES="));
    Ok(made.context("packages.sh says no FLEET_PACKAGES")?.into())
}

/// The package of the updater in its next revision, with a program of its own.
///
/// # Errors
/// When it cannot be made.
pub fn next_package(package: &Path, revision: u32, directory: &Path) -> Result<PathBuf> {
    let tree = directory.join(format!("revision-{revision}"));
    let made = tree.with_extension("deb");
    Output::of(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&tree))?.good()?;
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control)?;
    let next = text.replace("-1\n", &format!("-{revision}\n"));
    ensure!(next != text, "{text}");
    fs::write(&control, next)?;
    // What comes after the end of a program is never looked at.
    let mut program = fs::File::options().append(true).open(tree.join("usr/bin/updater"))?;
    write!(program, "{revision}")?;
    let build = ["--root-owner-group", "-Zgzip", "-z1", "--build"];
    Output::of(Command::new("dpkg-deb").args(build).arg(&tree).arg(&made))?.good()?;
    Ok(made)
}

impl Member {
    /// Installs a package on the host.
    ///
    /// # Errors
    /// When it does not go well.
    pub fn install_package(&self, package: &Path) -> Result<Output> {
        self.machine.copy(package, "/root/package.deb", 0o644)?;
        self.machine.run(["apt-get", "install", "--yes", "/root/package.deb"])?.good()
    }
}
