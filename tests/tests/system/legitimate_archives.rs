//! Archives that are odd and fine unpack to what GNU tar and bsdtar make of them: the same names,
//! bytes, executable bits and targets. Owners, times and what is attached are the updater's.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::archives::legitimate::{noise, streams, tars};
use fleet_tests::{
    Entry, Host, Output, Packing, Release, Tree, entries_below, extended_attributes, host,
};
use protocol::RELEASE_RECORD;

/// Stages an archive, and compares what came of it with what both tools make of its tar.
fn agrees(host: &Host, release: &Release, tar: &[u8]) -> Result<()> {
    // By the same clock, which may stand still in between.
    let before = tempfile::NamedTempFile::new_in(&host.directory)?;
    let answer = host.stage(release)?;
    ensure!(answer.status == 201, "it is not taken: {answer:?}");
    let store = host.release(&release.digest);
    let ours = entries_below(&store, &[store.join(RELEASE_RECORD)])?;
    for tool in ["tar", "bsdtar"] {
        let theirs = normalised(unpacked_by(tool, tar)?);
        ensure!(ours == theirs, "{tool} differs:\n{ours:#?}\n{theirs:#?}");
    }
    let before = before.as_file().metadata()?;
    ours.keys().try_for_each(|path| is_the_updaters(&store.join(path), &before))
}

/// Whether something has the owner and the times that the updater gave it, and nothing besides.
fn is_the_updaters(path: &Path, before: &Metadata) -> Result<()> {
    let found = path.symlink_metadata()?;
    let at = path.display();
    let owner = (found.uid(), found.gid());
    ensure!(owner == (before.uid(), before.gid()), "{at} belongs to {owner:?}");
    ensure!(found.modified()? >= before.modified()?, "{at} is old");
    let attached = extended_attributes(path)?;
    ensure!(attached.is_empty(), "{attached:?} is attached to {at}");
    Ok(())
}

fn unpacked_by(tool: &str, tar: &[u8]) -> Result<BTreeMap<PathBuf, Entry>> {
    let directory = tempfile::tempdir()?;
    let archive = tempfile::NamedTempFile::new()?;
    std::fs::write(archive.path(), tar)?;
    let mut command = Command::new(tool);
    command.arg("-xf").arg(archive.path()).arg("-C").arg(directory.path()).env("LC_ALL", "C.UTF-8");
    if tool == "bsdtar" {
        command.args(["--no-xattrs", "--no-acls"]);
    }
    Output::of(&mut command)?.good()?;
    entries_below(directory.path(), &[])
}

/// Modes as a release has them.
fn normalised(found: BTreeMap<PathBuf, Entry>) -> BTreeMap<PathBuf, Entry> {
    let mode = |mode| if mode & 0o111 == 0 { 0o644 } else { 0o755 };
    let normal = |found| match found {
        Entry::Directory(_) => Entry::Directory(0o755),
        Entry::File(bits, digest) => Entry::File(mode(bits), digest),
        other => other,
    };
    found.into_iter().map(|(path, found)| (path, normal(found))).collect()
}

#[test]
fn tars_that_are_odd_unpack_as_elsewhere() -> Result<()> {
    let host = host()?;
    let tars = tars();
    assert!(tars.len() > 30, "only {}", tars.len());
    for (number, (what, tar)) in tars.into_iter().enumerate() {
        let packing = if number % 2 == 0 { Packing::Gzip } else { Packing::Zstd };
        let release = Release::of_tar(tar.bytes(), packing)?;
        agrees(&host, &release, tar.bytes()).context(what)?;
    }
    Ok(())
}

#[test]
fn streams_that_are_odd_are_inflated() -> Result<()> {
    let host = host()?;
    let (tar, streams) = streams();
    for (what, release) in streams {
        agrees(&host, &release, tar.bytes()).context(what)?;
    }
    for command in
        ["gzip -1", "gzip -9", "zstd -19", "zstd --no-check", "zstd -T2", "zstd --fast=5"]
    {
        let bytes = through(command, tar.bytes())?;
        let release = Release::of_bytes(bytes, Packing::Gzip);
        agrees(&host, &release, tar.bytes()).context(command)?;
    }
    Ok(())
}

#[test]
fn what_packers_make_of_a_tree_unpacks_as_elsewhere() -> Result<()> {
    let host = host()?;
    let repository = tempfile::tempdir()?;
    let tree = a_tree(repository.path())?;
    // What has no place for long names does without.
    let short = "--exclude=long";
    let python = "import sys, tarfile as t\n\
                  f = t.open(fileobj=sys.stdout.buffer, mode='w|', format=getattr(t, sys.argv[1]))\n\
                  f.add('.')\n\
                  f.close()";
    let packers: [&[&str]; 19] = [
        &["tar", "--format=v7", short, "-c", "."],
        &["tar", "--format=oldgnu", "-c", "."],
        &["tar", "--format=gnu", "-c", "."],
        &["tar", "--format=ustar", "-c", "."],
        &["tar", "--format=posix", "-c", "."],
        &["tar", "--format=posix", "--xattrs", "--acls", "-c", "bin", "empty", "long"],
        &["tar", "-b1", "--owner=someone:4000000", "--mtime=1969-01-01", "-c", "."],
        &["tar", "--hard-dereference", "--mode=a-w", "-c", "."],
        &["tar", "--label=release", "-c", "."],
        &["bsdtar", "--format=v7", short, "-c", "."],
        &["bsdtar", "--format=ustar", "-c", "."],
        &["bsdtar", "--format=gnutar", "-c", "."],
        &["bsdtar", "--format=pax", "-c", "."],
        &["bsdtar", "-c", "bin", "empty", "long", "late"],
        &["busybox", "tar", "-c", "."],
        &["python3", "-c", python, "USTAR_FORMAT"],
        &["python3", "-c", python, "GNU_FORMAT"],
        &["python3", "-c", python, "PAX_FORMAT"],
        &["git", "archive", "--format=tar", "HEAD"],
    ];
    for packer in packers {
        let command = packer.join(" ");
        let tar = packed_by(packer, tree.path(), repository.path()).context(command.clone())?;
        let release = Release::of_tar(&tar, Packing::Zstd)?;
        agrees(&host, &release, &tar).context(command)?;
    }
    Ok(())
}

/// A tree that packers treat differently, and its commit in a repository beside it.
fn a_tree(repository: &Path) -> Result<Tree> {
    let tree = Tree::empty()?;
    tree.program("bin/run", "#!/bin/sh\n")?;
    tree.file(&format!("long/{}/{}", "d".repeat(90), "f".repeat(90)), "long")?;
    tree.file("sp\u{e4}\u{df}e/\u{65e5}\u{672c}", "UTF-8")?;
    tree.link("link", "bin/run")?;
    tree.link("bin/up", "../link")?;
    std::fs::create_dir(tree.path().join("empty"))?;
    std::fs::hard_link(tree.path().join("bin/run"), tree.path().join("late"))?;
    std::fs::write(tree.path().join("big"), noise(1_000_000))?;
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(tree.path()).env("GIT_DIR", repository).env("GIT_WORK_TREE", ".");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        Output::of(command.args(arguments))?.good()
    };
    git(&["init", "--quiet"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message=all"])?;
    Ok(tree)
}

fn packed_by(packer: &[&str], tree: &Path, repository: &Path) -> Result<Vec<u8>> {
    let (program, arguments) = packer.split_first().context("a program")?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(tree)
        .env("GIT_DIR", repository)
        .env("LC_ALL", "C.UTF-8")
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

fn through(command: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let input = tempfile::NamedTempFile::new()?;
    std::fs::write(input.path(), bytes)?;
    let mut words = command.split(' ');
    let output = Command::new(words.next().context("a program")?)
        .args(words)
        .stdin(Stdio::from(std::fs::File::open(input.path())?))
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
