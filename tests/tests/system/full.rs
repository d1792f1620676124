//! The disk fills up, wherever the updater may be: it says so, nothing is touched, and with room
//! again the next order works without a hand on the host.
//!
//! This mounts small disks of its own, which takes root. For anyone else it fails and says so.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::volume::{Volume, alone_with_mounts};
use fleet_tests::{Behaviour, Host, LONG, Packing, Release, Setup, Tree, eventually};
use protocol::{Code, Digest, Outcome, Phase, Problem};

const MIB: u64 = 1 << 20;

/// A host that runs a release from a small disk. Fields are dropped in this order.
struct SmallDiskHost {
    _volume: Volume,
    host: Host,
    old: Digest,
    disk: PathBuf,
}

/// What lies on the small disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DiskHolds {
    Install,
    /// The journal, the history and the agent's log.
    State,
}

impl SmallDiskHost {
    fn new(on: DiskHolds, setup: Setup) -> Result<Self> {
        alone_with_mounts()?;
        let setup = match on {
            DiskHolds::Install => setup.app("install_dir", "'{directory}/disk/install'"),
            DiskHolds::State => setup.top("state_dir", "'{directory}/disk/state'"),
        };
        let host = Host::alone_and_idle(&setup)?;
        let disk = host.directory.join("disk");
        let volume = Volume::small(&disk, 24 * MIB, 300)?;
        host.start()?;
        let old = host.installs("old")?;
        Ok(Self { _volume: volume, host, old, disk })
    }

    /// Takes all of the disk but for this much.
    fn fill_to(&self, left: u64) -> Result<Ballast> {
        let path = self.disk.join("ballast");
        let mut file = File::create(&path)?;
        let block = vec![1; 64 << 10];
        loop {
            let free = sys::free_space(&self.disk)?.bytes.saturating_sub(left);
            let length = usize::try_from(free)?.min(block.len());
            if length == 0 || file.write_all(&block[..length]).is_err() || file.sync_all().is_err()
            {
                return Ok(Ballast(vec![path]));
            }
        }
    }

    /// Takes all inodes but for so many.
    fn files_to(&self, left: u64) -> Result<Ballast> {
        let mut files = Vec::new();
        while sys::free_space(&self.disk)?.inodes > left {
            files.push(self.disk.join(format!("ballast-{}", files.len())));
            File::create(files.last().context("it was just put there")?)?;
        }
        Ok(Ballast(files))
    }

    /// Pushes a release that there is no room for, and gives back what is said of it.
    fn refuses(&self, release: &Release) -> Result<Problem> {
        let problem = self.host.push(release)?.problem()?;
        self.is_as_before()?;
        Ok(problem)
    }

    /// It answers, and the old release runs.
    fn is_as_before(&self) -> Result<()> {
        ensure!(self.host.master().get("/health")?.status == 200, "it does not answer");
        ensure!(self.host.running() == Some(self.old), "{:?} runs", self.host.running());
        ensure!(self.host.releases()?.active == Some(self.old), "something else is active");
        Ok(())
    }

    /// There is room again: what could not be finished is, and the order is as any other.
    fn recovers(&self, ballast: Ballast, release: &Release) -> Result<()> {
        drop(ballast);
        eventually("the host to be at rest", LONG, || self.host.rests().ok())
            .or_else(|_| self.host.rests())?;
        self.host.push(release)?.result()?;
        self.host.rests()?;
        ensure!(self.host.running() == Some(release.digest), "another release runs");
        Ok(())
    }
}

/// Without a reserve a disk runs full in the middle, where the preflight says nothing.
fn unreserved() -> Setup {
    Setup::default().limits("reserve_bytes", "'1B'").limits("reserve_inodes", "1")
}

/// What takes the room away.
struct Ballast(Vec<PathBuf>);

impl Drop for Ballast {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = fs::remove_file(file);
        }
    }
}

/// A healthy release with a file that does not compress.
fn large(bytes: u64) -> Result<Release> {
    let tree = Tree::agent(&Behaviour { message: "large".to_owned(), ..Behaviour::default() })?;
    let mut noise = Vec::new();
    let mut seed = 1_u64;
    while (noise.len() as u64) < bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&seed.to_be_bytes()[..4]);
    }
    write(&tree.path().join("noise"), &noise)?;
    tree.pack(Packing::Zstd)
}

/// A healthy release of many files.
fn many(files: u32) -> Result<Release> {
    let tree = Tree::agent(&Behaviour { message: "many".to_owned(), ..Behaviour::default() })?;
    for number in 0..files {
        tree.file(&format!("files/{number}"), "x")?;
    }
    tree.pack(Packing::Zstd)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(fs::write(path, bytes)?)
}

#[test]
fn a_disk_that_runs_full_in_receiving_is_told_and_touches_nothing() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::Install, unreserved())?;
    let release = large(4 * MIB)?;
    let ballast = small.fill_to(5 * MIB / 2)?;
    // It says beforehand what it knows: the length of the archive.
    let problem = small.refuses(&release)?;
    ensure!(problem.code == Code::NoSpace, "{problem:?}");
    let (needed, free) = (problem.needed.context("needed")?, problem.free.context("free")?);
    ensure!(needed.bytes > free.bytes, "{problem:?}");
    drop(ballast);
    // What it cannot know beforehand: a file of zeroes is small until it is unpacked.
    let tree = Tree::agent(&Behaviour { message: "zeroes".to_owned(), ..Behaviour::default() })?;
    write(&tree.path().join("zeroes"), &vec![0; 6 << 20])?;
    let zeroes = tree.pack(Packing::Zstd)?;
    let ballast = small.fill_to(3 * MIB)?;
    let problem = small.refuses(&zeroes)?;
    ensure!((&problem.code, problem.code.status()) == (&Code::NoSpace, 507), "{problem:?}");
    ensure!(problem.free.is_some() && problem.rolled_back == Some(false), "{problem:?}");
    small.host.rests()?;
    small.recovers(ballast, &zeroes)
}

#[test]
fn a_disk_without_inodes_is_told_and_touches_nothing() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::Install, unreserved())?;
    let release = many(60)?;
    let ballast = small.files_to(40)?;
    let problem = small.refuses(&release)?;
    ensure!(problem.code == Code::NoSpace, "{problem:?}");
    small.host.rests()?;
    small.recovers(ballast, &release)
}

#[test]
fn the_preflight_says_what_is_needed_and_what_is_free() -> Result<()> {
    let small =
        SmallDiskHost::new(DiskHolds::Install, unreserved().limits("reserve_inodes", "200"))?;
    let ballast = [small.fill_to(MIB)?, small.files_to(100)?];
    let problem = small.refuses(&large(2 * MIB)?)?;
    let (needed, free) = (problem.needed.context("needed")?, problem.free.context("free")?);
    ensure!(problem.code == Code::NoSpace && problem.transaction.is_none(), "{problem:?}");
    ensure!(needed.bytes >= 2 * MIB && free.bytes <= MIB, "{problem:?}");
    ensure!(needed.inodes == 200 && free.inodes <= 100, "{problem:?}");
    // How much room there is, is asked anew and not remembered.
    ensure!(small.host.app()?.room == Some(0), "{:?}", small.host.app()?.room);
    drop(ballast);
    ensure!(small.host.app()?.room > Some(0), "{:?}", small.host.app()?.room);
    Ok(())
}

#[test]
fn a_disk_that_runs_full_in_a_build_is_told_and_touches_nothing() -> Result<()> {
    let build = "['sh', '-c', 'test ! -f zeroes || cat zeroes zeroes zeroes > built']";
    let small = SmallDiskHost::new(DiskHolds::Install, unreserved().app("build", build))?;
    let tree = Tree::agent(&Behaviour { message: "zeroes".to_owned(), ..Behaviour::default() })?;
    write(&tree.path().join("zeroes"), &vec![0; 1 << 20])?;
    let release = tree.pack(Packing::Zstd)?;
    let ballast = small.fill_to(2 * MIB + MIB / 2)?;
    let problem = small.refuses(&release)?;
    ensure!([Code::NoSpace, Code::BuildFailed].contains(&problem.code), "{problem:?}");
    ensure!(!problem.output.is_empty() || problem.free.is_some(), "nobody learns why: {problem:?}");
    small.host.rests()?;
    small.recovers(ballast, &release)
}

#[test]
fn no_room_for_the_journal_and_the_history_is_told_and_is_made_up_for() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::State, unreserved())?;
    let release = Tree::healthy("new")?;
    for left in [0, 4 << 10, 8 << 10, 16 << 10] {
        let ballast = small.fill_to(left)?;
        let answer = small.host.push(&release)?;
        let active = small.host.releases()?.active;
        ensure!(small.host.master().get("/health")?.status == 200, "it does not answer");
        if answer.status == 200 {
            ensure!(active == Some(release.digest), "it was reported and is not active");
            return small.recovers(ballast, &release);
        }
        let problem = answer.problem()?;
        ensure!([Code::NoSpace, Code::RolledBack].contains(&problem.code), "{problem:?}");
        small.is_as_before()?;
        drop(ballast);
        eventually("the host to be at rest", LONG, || small.host.rests().ok())
            .or_else(|_| small.host.rests())?;
    }
    small.host.push(&release)?.result()?;
    small.host.rests()
}

#[test]
fn an_agent_that_fills_the_disk_with_its_log_keeps_nobody_from_updating_it() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::State, unreserved())?;
    let log = small.host.state().join("agent.log");
    ensure!(small.disk.join("state/apps/agent/agent.log").exists(), "{}", log.display());
    let ballast = small.fill_to(0)?;
    // It runs on, though nothing of what it prints is kept.
    small.is_as_before()?;
    let problem = small.refuses(&Tree::healthy("new")?)?;
    ensure!(problem.code == Code::NoSpace, "{problem:?}");
    small.recovers(ballast, &Tree::healthy("newer")?)
}

/// Fills the disk of the state directory while a release is watched, and gives back what is told then.
fn told_on_a_full_disk(
    small: &SmallDiskHost,
    release: &Release,
    reserve: bool,
) -> Result<(String, Ballast)> {
    let mut lines = small.host.order_until("/update", release, Phase::Watching)?;
    if !reserve {
        fs::remove_file(small.disk.join("state/apps/agent/reserve"))?;
    }
    let ballast = small.fill_to(0)?;
    Ok((lines.until("\"result\"")?, ballast))
}

fn watched() -> Setup {
    unreserved().health("watch", "'2s'")
}

#[test]
fn an_update_is_told_when_its_end_is_written_down_and_stays() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::State, watched())?;
    let release = Tree::healthy("new")?;
    let (told, ballast) = told_on_a_full_disk(&small, &release, true)?;
    ensure!(told.contains("\"status\":\"updated\""), "{told}");
    small.host.kill()?;
    small.host.start()?;
    let last = small.host.idle()?.last.context("a last transaction")?;
    ensure!(last.outcome == Outcome::Updated, "{last:?}");
    ensure!(small.host.releases()?.active == Some(release.digest), "it was taken back");
    small.recovers(ballast, &Tree::healthy("newer")?)
}

#[test]
fn an_end_that_cannot_be_written_down_is_told_as_that_and_stays() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::State, watched())?;
    let release = Tree::healthy("new")?;
    let (told, ballast) = told_on_a_full_disk(&small, &release, false)?;
    let late = told.contains("\"status\":\"updated\"");
    ensure!(late || told.contains("could not be written down yet"), "{told}");
    small.host.kill()?;
    small.host.start()?;
    drop(ballast);
    eventually("the host to be at rest", LONG, || small.host.rests().ok())
        .or_else(|_| small.host.rests())?;
    let last = small.host.app()?.last.context("a last transaction")?;
    ensure!(last.outcome == Outcome::Updated, "{last:?}");
    ensure!(small.host.running() == Some(release.digest), "it was taken back");
    Ok(())
}

/// The way back is open on a disk that is full: the updater holds some room for it.
#[test]
fn a_full_disk_keeps_no_host_from_going_back() -> Result<()> {
    let small = SmallDiskHost::new(DiskHolds::State, unreserved())?;
    small.host.installs("new")?;
    let ballast = small.fill_to(0)?;
    let back = small.host.rollback()?.result()?;
    ensure!(back.to == Some(small.old), "{back:?}");
    small.is_as_before()?;
    small.recovers(ballast, &Tree::healthy("newer")?)
}

/// The way back needs no room: what fills the disk is the release that has to go.
#[test]
fn a_release_that_fills_the_disk_and_fails_is_undone() -> Result<()> {
    for on in [DiskHolds::Install, DiskHolds::State] {
        let small = SmallDiskHost::new(on, unreserved())?;
        let tree = Tree::agent(&Behaviour { status: Some(500), ..Behaviour::default() })?;
        let start = fs::read_to_string(tree.path().join("bin/agent"))?;
        let ballast = small.disk.join("ballast");
        let fill = format!("#!/bin/sh\ncat /dev/zero > {} 2> /dev/null\n", ballast.display());
        tree.program("bin/agent", &start.replace("#!/bin/sh\n", &fill))?;
        let problem = small.refuses(&tree.pack(Packing::Zstd)?)?;
        ensure!(problem.code == Code::RolledBack, "{problem:?}");
        let free = sys::free_space(&small.disk)?;
        // But for what the updater holds in reserve, and has given up.
        ensure!(free.bytes < 320 << 10, "the disk was not full: {free:?}");
        small.recovers(Ballast(vec![ballast]), &Tree::healthy("new")?)?;
    }
    Ok(())
}
