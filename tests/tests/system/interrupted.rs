//! Ctrl-C while `swarm` packs, hashes or measures: it ends at once with 130, and leaves nothing.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Fleet, LONG, ReleaseKey, Sandbox, Setup, eventually, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// More than any machine packs, hashes or measures while a test is waited for; on the disk it is
/// nothing.
const ENDLESS: u64 = 1 << 42;
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A `swarm` that is at work. Dropped, it is killed.
struct Working(Child);

impl Working {
    fn start(command: &mut Command) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(quiet.spawn()?))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.0.id().cast_signed()), signal)?)
    }

    /// Sends one signal and looks whether that ends it, as an interrupted command.
    fn end_by(mut self, signal: Signal) -> Result<()> {
        self.signal(signal)?;
        let status = eventually("its end", LONG, || self.0.try_wait().ok()?)?;
        ensure!(status.code() == Some(130), "{status:?} after {signal}");
        Ok(())
    }

    fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0.id()))
    }

    /// Whether it has this file open.
    fn reads(&self, path: &Path) -> Option<()> {
        let mut open = fs::read_dir(self.proc("fd")).ok()?.flatten();
        let is_it = |link: fs::DirEntry| fs::read_link(link.path()).is_ok_and(|to| to == path);
        open.any(is_it).then_some(())
    }

    /// How many bytes it has read in all.
    fn has_read(&self) -> Option<u64> {
        let io = fs::read_to_string(self.proc("io")).ok()?;
        io.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse().ok()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The one entry below `directory` whose name begins so.
fn begun(directory: &Path, prefix: &str) -> Option<PathBuf> {
    names(directory).iter().find(|name| name.starts_with(prefix)).map(|name| directory.join(name))
}

/// A tree that is not packed before a test ends.
fn endless_tree(place: &Path) -> Result<PathBuf> {
    let tree = place.join("tree");
    fs::create_dir(&tree)?;
    fs::write(tree.join("release.toml"), "[pack]\n")?;
    File::create(tree.join("huge"))?.set_len(ENDLESS)?;
    Ok(tree)
}

/// An archive by its first bytes, which is not hashed before a test ends.
fn endless_archive(place: &Path) -> Result<PathBuf> {
    let path = place.join("huge.tar.zst");
    let mut file = File::create(&path)?;
    file.write_all(&ZSTD)?;
    file.set_len(ENDLESS)?;
    Ok(path)
}

/// An archive that is hashed soon, and not inflated before a test ends: blocks that say `128 KiB of
/// zeros` in four bytes (RFC 8878, 3.1.1.2).
fn endless_when_inflated(place: &Path) -> Result<PathBuf> {
    const RAW: u32 = 0;
    const REPEATED: u32 = 1;
    let block = |kind: u32, size: u32| ((size << 3) | (kind << 1)).to_le_bytes();
    let mut header = tar::Header::new_gnu();
    header.set_path("huge")?;
    header.set_mode(0o644);
    header.set_size(ENDLESS);
    header.set_cksum();
    let path = place.join("inflates.tar.zst");
    let mut file = File::create(&path)?;
    file.write_all(&ZSTD)?;
    // No size of the content, no checksum; a window of 128 KiB.
    file.write_all(&[0, 0x38])?;
    file.write_all(&block(RAW, 512)[..3])?;
    file.write_all(header.as_bytes())?;
    file.write_all(&block(REPEATED, 128 << 10).repeat(16 << 20))?;
    Ok(path)
}

#[test]
fn one_signal_ends_packing_at_once_and_leaves_no_file() -> Result<()> {
    let place = Sandbox::new()?;
    let tree = endless_tree(place.path())?;
    let output = place.path().join("output");
    fs::create_dir(&output)?;
    for (signal, name) in [(Signal::SIGINT, "x.tar.zst"), (Signal::SIGTERM, "x.tar.gz")] {
        let mut pack = Command::new(program("swarm")?);
        let working = Working::start(pack.arg("pack").arg(&tree).arg("-o").arg(output.join(name)))?;
        eventually("the file that it writes", LONG, || begun(&output, ".swarm-"))?;
        working.end_by(signal)?;
        assert_eq!(names(&output), [""; 0]);
    }
    Ok(())
}

#[test]
fn a_git_that_does_not_end_is_ended_with_the_packing() -> Result<()> {
    let place = Sandbox::new()?;
    let (tree, programs) = (place.path().join("tree"), place.path().join("bin"));
    fs::create_dir(&programs)?;
    let made = Command::new("git").args(["init", "--quiet"]).arg(&tree).status()?;
    ensure!(made.success(), "git init: {made}");
    let (git, pid) = (programs.join("git"), place.path().join("pid"));
    let script = format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 100000\n", pid.display());
    fs::write(&git, script)?;
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH")?);
    let mut pack = Command::new(program("swarm")?);
    pack.arg("pack").arg(&tree).arg("-o").arg(place.path().join("x.tar.zst")).env("PATH", path);
    let working = Working::start(&mut pack)?;
    let git = eventually("git", LONG, || {
        fs::read_to_string(&pid).ok()?.strip_suffix('\n')?.parse::<u32>().ok()
    })?;
    working.end_by(Signal::SIGTERM)?;
    ensure!(!Path::new(&format!("/proc/{git}")).exists(), "git goes on as {git}");
    ensure!(begun(place.path(), "x.tar").is_none() && begun(place.path(), ".swarm-").is_none());
    Ok(())
}

#[test]
fn one_signal_ends_an_update_that_packs_or_hashes_and_nothing_was_begun() -> Result<()> {
    let mut fleet = Fleet::new()?;
    fleet.enroll("web-1", &Setup::default())?;
    let tree = endless_tree(fleet.sandbox().path())?;
    let archives = fleet.home().join("archives");
    for word in ["update", "plan"] {
        let working = Working::start(fleet.command([word, "--all", "--root"])?.arg(&tree))?;
        eventually("the file that it writes", LONG, || {
            begun(&begun(&archives, ".packing-")?, ".swarm-")
        })?;
        working.end_by(Signal::SIGINT)?;
        assert_eq!(names(&archives), [""; 0]);
    }
    let archive = endless_archive(fleet.sandbox().path())?;
    let updater = endless_archive(&tree)?;
    let release = ["update", "--all", "--archive"].map(str::to_owned);
    let own = ["update", "--all", "--include-self", "--updater-archive"].map(str::to_owned);
    for (words, read) in [(&release[..], &archive), (&own[..], &updater)] {
        let working = Working::start(fleet.command(words)?.arg(read))?;
        eventually("the archive to be read", LONG, || working.reads(read))?;
        working.end_by(Signal::SIGINT)?;
    }
    let rollouts = fleet.swarm(["--json", "rollout", "list"])?.good()?.json()?;
    assert_eq!(rollouts.as_array().context("a list")?.len(), 0);
    Ok(())
}

#[test]
fn one_signal_ends_the_hashing_and_the_measuring_for_a_signature() -> Result<()> {
    let key = ReleaseKey::generate()?;
    let secret = key.secret_file().display().to_string();
    let place = Sandbox::new()?;
    let (hashed, measured) = (endless_archive(place.path())?, endless_when_inflated(place.path())?);
    let before = names(place.path());
    for words in [&["manifest"][..], &["sign", "--key", &secret]] {
        let start = |archive: &Path| {
            let mut command = Command::new(program("swarm")?);
            Working::start(command.arg("release").args(words).arg(archive))
        };
        let working = start(&hashed)?;
        eventually("the archive to be hashed", LONG, || working.reads(&hashed))?;
        working.end_by(Signal::SIGINT)?;
        let working = start(&measured)?;
        let bytes = measured.metadata()?.len();
        eventually("the archive to be measured", LONG, || {
            working.has_read().filter(|read| *read > bytes + (1 << 20))
        })?;
        working.end_by(Signal::SIGTERM)?;
    }
    assert_eq!(names(place.path()), before);
    Ok(())
}
