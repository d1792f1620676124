//! Getting programs from where their users get them, by the clients that these use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use fleet_tests::Output;

use crate::table::{Origin, at_version};

/// Debian's own list of where its packages are.
const DEBIAN_SOURCES: &str = "/etc/apt/sources.list.d/debian.sources";
/// The two releases of Debian that give a program in two versions.
const SUITES: &str = "bookworm trixie";

/// What was got, kept for the next time.
pub(crate) struct Cache {
    directory: PathBuf,
}

impl Cache {
    pub(crate) fn in_directory(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// The unpacked tree of a program at this version; none where its row has all of it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub(crate) fn tree_of(&self, source: &Origin, version: &str) -> Result<Option<PathBuf>> {
        let spec = match source {
            Origin::Row => return Ok(None),
            Origin::Sdist(spec) | Origin::Crate(spec) | Origin::DebianSource(spec) => spec.clone(),
            Origin::Debian(packages) => packages.join(" "),
        };
        let spec = at_version(&spec, version);
        let kind = match source {
            Origin::DebianSource(_) => "source-",
            _ => "",
        };
        let tree = self.directory.join(format!("{kind}{}", spec.replace(['/', ' '], "_")));
        if !tree.exists() {
            let begun = tempfile::tempdir_in(&self.directory)?;
            let (downloads, unpacked) =
                (begun.path().join("downloads"), begun.path().join("unpacked"));
            fs::create_dir_all(&downloads)?;
            let got = match source {
                Origin::Row => Ok(()),
                Origin::Sdist(_) => sdist(&spec, &downloads, &unpacked),
                Origin::Crate(_) => self.published_crate(&spec, &downloads, &unpacked),
                Origin::DebianSource(_) => self.debian_source(&spec, &downloads, &unpacked),
                Origin::Debian(_) => self.debian(&spec, &downloads, &unpacked),
            };
            got.with_context(|| format!("{spec} cannot be had"))?;
            fs::rename(&unpacked, &tree)?;
        }
        Ok(Some(tree))
    }

    /// The Rust toolchain that is used here, where any user can reach it.
    ///
    /// # Errors
    /// When there is none, or it is on another disk.
    pub(crate) fn rust(&self) -> Result<PathBuf> {
        let linked = self.directory.join("rust");
        if !linked.exists() {
            let asked = Output::of(Command::new("rustc").args(["--print", "sysroot"]))?.good()?;
            let toolchain = Path::new(asked.stdout.trim());
            run(Command::new("cp").args(["--archive", "--link"]).arg(toolchain).arg(&linked))?;
        }
        Ok(linked)
    }

    fn published_crate(&self, spec: &str, downloads: &Path, unpacked: &Path) -> Result<()> {
        let (name, version) = spec.split_once('=').context("a crate has a version")?;
        let manifest = downloads.join("Cargo.toml");
        let needs = format!(
            "[package]\nname = 'needs'\nedition = '2024'\n[lib]\npath = 'lib.rs'\n[workspace]\n\
             [dependencies]\n{name} = '={version}'\n"
        );
        fs::write(&manifest, needs)?;
        fs::write(downloads.join("lib.rs"), "")?;
        let home = self.directory.join("cargo");
        run(Command::new("cargo")
            .args(["fetch", "--quiet", "--manifest-path"])
            .arg(&manifest)
            .env("CARGO_HOME", &home))?;
        for index in fs::read_dir(home.join("registry/src"))? {
            let source = index?.path().join(format!("{name}-{version}"));
            if source.exists() {
                return copy(&source, unpacked);
            }
        }
        bail!("cargo has not unpacked it")
    }

    fn debian_source(&self, spec: &str, downloads: &Path, unpacked: &Path) -> Result<()> {
        run(self
            .apt()?
            .args(["source", "--quiet", "--download-only", spec])
            .current_dir(downloads))?;
        let description = the_one_with(downloads, ".dsc")?;
        let extract = ["--no-check", "--extract"];
        run(Command::new("dpkg-source").args(extract).arg(description).arg(unpacked))
    }

    fn debian(&self, spec: &str, downloads: &Path, unpacked: &Path) -> Result<()> {
        run(self.apt()?.arg("download").args(spec.split(' ')).current_dir(downloads))?;
        for package in fs::read_dir(downloads)? {
            run(Command::new("dpkg-deb").arg("--extract").arg(package?.path()).arg(unpacked))?;
        }
        Ok(())
    }

    /// `apt-get`, for two releases of Debian, with lists of its own.
    fn apt(&self) -> Result<Command> {
        let own = self.directory.join("apt");
        let command = || {
            let mut apt = Command::new("apt-get");
            for (name, value) in [
                ("Dir::Etc::sourceparts", own.join("sources")),
                ("Dir::Etc::sourcelist", PathBuf::from("/dev/null")),
                ("Dir::State::lists", own.join("lists")),
                ("Dir::Cache", own.join("cache")),
            ] {
                apt.arg("-o").arg(format!("{name}={}", value.display()));
            }
            apt
        };
        if !own.join("updated").exists() {
            let machine = fs::read_to_string(DEBIAN_SOURCES).context(DEBIAN_SOURCES)?;
            let stanza = machine.split("\n\n").next().unwrap_or_default();
            let line = |line: &str| match line.split_once(':').map(|(key, _)| key) {
                Some("Types") => "Types: deb deb-src\n".to_owned(),
                Some("Suites") => format!("Suites: {SUITES}\n"),
                _ => format!("{line}\n"),
            };
            fs::create_dir_all(own.join("sources"))?;
            fs::create_dir_all(own.join("lists/partial"))?;
            fs::create_dir_all(own.join("cache/archives/partial"))?;
            fs::write(
                own.join("sources/debian.sources"),
                stanza.lines().map(line).collect::<String>(),
            )?;
            run(command().args(["--quiet", "update"]))?;
            fs::write(own.join("updated"), "")?;
        }
        Ok(command())
    }
}

fn sdist(spec: &str, downloads: &Path, unpacked: &Path) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"]);
    run(pip.arg(downloads).arg(spec))?;
    // Some are `.zip`, which bsdtar reads as well.
    let archive = the_one_with(downloads, "")?;
    fs::create_dir_all(unpacked)?;
    let extract = ["-x", "--strip-components=1", "--no-same-owner", "-C"];
    run(Command::new("bsdtar").args(extract).arg(unpacked).arg("-f").arg(archive))
}

/// Copies a tree as it is.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    run(Command::new("cp").arg("--archive").arg(from.join(".")).arg(to))
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    Output::of(command)?.good().map(drop)
}

fn the_one_with(directory: &Path, ending: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            return Ok(path);
        }
    }
    bail!("there is no {ending} in what was loaded")
}
