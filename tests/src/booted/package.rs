//! The Debian packages, as `make package` makes them, of the programs that the tests run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Member;
use crate::{Output, program};

/// Packages one of the programs (`updater`, `master`), and says where the package lies below
/// `directory`.
///
/// # Errors
/// When it cannot be made.
pub fn package(crate_name: &str, revision: &str, directory: &Path) -> Result<PathBuf> {
    let release = program("updater")?.parent().is_some_and(|parent| parent.ends_with("release"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/package.sh");
    let directory = directory.join(format!("{crate_name}-{revision}"));
    fs::create_dir(&directory)?;
    let mut command = Command::new(script);
    command.arg(if release { "release" } else { "dev" }).arg(&directory);
    Output::of(command.args([revision, crate_name]))?.good()?;
    let mut files = fs::read_dir(&directory)?;
    Ok(files.next().context("there is no package")??.path())
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
