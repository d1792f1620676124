//! What Debian's own checker says of the packages, and what rpm makes of those for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::Output;
use fleet_tests::booted::{package, rpm_package};
use skip::skip;

#[test]
fn lintian_has_nothing_to_say() -> Result<()> {
    if Command::new("lintian").arg("--version").output().is_err() {
        skip("this machine has no lintian");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--display-info", "--tag-display-limit=0"]);
    // Debian's own programs are made otherwise than ours.
    command.args(["--suppress-tags", "hardening-no-bindnow"]);
    for crate_name in ["updater", "master"] {
        command.arg(without_programs(crate_name, directory.path())?);
    }
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    // What is overridden is not shown, with the reason beside it; here nothing is in the programs to be overridden.
    let of_ours = |line: &&str| !line.starts_with("N:") && !line.contains(": unused-override ");
    let told = said.lines().find(of_ours);
    ensure!(output.status.success() && told.is_none(), "{said}{output:?}");
    Ok(())
}

/// A package with small programs in place of its own, every byte of which would be read for misspelt words: `make
/// package` does that, with those that are published.
fn without_programs(crate_name: &str, directory: &Path) -> Result<PathBuf> {
    let (tree, made) = (directory.join(crate_name), directory.join(format!("{crate_name}.deb")));
    let line = "set -e; umask 022; dpkg-deb --raw-extract \"$1\" \"$2\"; cd \"$2\"
        for program in usr/bin/* usr/lib/swarm/updater; do [ ! -e $program ] || cp /usr/bin/true $program; done
        find usr -type f -print0 | xargs -0 md5sum >DEBIAN/md5sums
        dpkg-deb --root-owner-group -Zgzip -z1 --build . \"$3\"";
    let mut command = Command::new("sh");
    command.args(["-c", line, "sh"]).arg(package(crate_name)?).args([&tree, &made]);
    Output::of(&mut command)?.good()?;
    Ok(made)
}

/// Into an empty root, as no system that has it is here. Its scripts are tried on a booted host: `booted_older`.
#[test]
fn rpm_unpacks_what_it_is_given() -> Result<()> {
    if Command::new("rpm").arg("--version").output().is_err() {
        skip("this machine has no rpm");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    for (crate_name, program) in [("updater", "usr/bin/updater"), ("master", "usr/bin/swarm")] {
        let package = rpm_package(crate_name)?;
        let root = directory.path().join(crate_name);
        let ask = |query: &str| -> Result<String> {
            Ok(Output::of(Command::new("rpm").args(["-qp", query]).arg(&package))?.good()?.stdout)
        };
        let needs = ask("--requires")?;
        let known = |line: &str| {
            ["/bin/sh", "systemd", "glibc >= 2.17"].contains(&line) || line.starts_with("rpmlib(")
        };
        ensure!(needs.lines().all(known) && needs.contains("glibc"), "{needs}");
        let mut install = Command::new("rpm");
        install.arg("--root").arg(&root).args(["--install", "--nodeps", "--noscripts"]);
        Output::of(install.arg(&package))?.good()?;
        let told = Output::of(Command::new(root.join(program)).arg("--version"))?.good()?;
        ensure!(told.stdout.contains(env!("CARGO_PKG_VERSION")), "{told:?}");
        if crate_name == "updater" {
            let scripts = ask("--scripts")?;
            for name in ["postinst", "prerm", "postrm"] {
                let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/updater");
                let script = std::fs::read_to_string(source.join(name)).context(name)?;
                ensure!(scripts.contains(script.trim()), "{name} is not in it: {scripts}");
            }
        }
    }
    Ok(())
}
