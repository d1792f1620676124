//! The archive reader, end to end: bytes in, a tree out.

use std::fs;
use std::path::Path;

use archive::{UnpackLimits, unpack};
use bytes::Bytes;
use protocol::PATH_PARTS;

use crate::archives::hostile::{families, family};
use crate::archives::{Header, Tar, legitimate, zstd};
use crate::{Entry, entries_below};

const BOUNDS: UnpackLimits = UnpackLimits {
    archive_bytes: 1 << 20,
    unpacked_bytes: 1 << 20,
    entries: 200,
    path_parts: PATH_PARTS,
};
/// A longer seed says nothing that a short one does not.
const SEED_BYTES: usize = 8 << 10;

/// Bytes as they come from the network.
pub(super) fn archive(data: &[u8]) {
    // Where the disk is memory, if that is anywhere.
    let memory = Path::new("/dev/shm");
    let around = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let Ok(around) = around else { return };
    let staging = around.path().join("staging");
    let outside = around.path().join("outside");
    if fs::create_dir(&staging).and_then(|()| fs::write(&outside, "mine")).is_err() {
        return;
    }
    let chunks = data.chunks(997).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
    let reserved = ["data/".to_owned(), "etc/agent.conf".to_owned()];
    let taken = unpack(chunks, &staging, &BOUNDS, &reserved, &|_| {});
    let names = fs::read_dir(around.path()).into_iter().flatten().count();
    assert!(names == 2 && fs::read(&outside).is_ok_and(|text| text == b"mine"), "it got out");
    if taken.is_ok() {
        check(&staging);
    }
}

/// A tar, whose checksums need not be right.
pub(super) fn tar(data: &[u8]) {
    archive(&zstd(&with_checksums(data)));
}

/// What the corpora are made of, as far as it is short.
pub(super) fn archives() -> Vec<Vec<u8>> {
    let hostile = families().flat_map(family).map(|case| case.release.bytes);
    let (_, streams) = legitimate::streams();
    let fine = streams.into_iter().map(|(_, release)| release.bytes);
    let tars = legitimate::tars().into_iter().map(|(_, tar)| zstd(tar.bytes()));
    hostile.chain(fine).chain(tars).filter(|bytes| bytes.len() <= SEED_BYTES).collect()
}

/// The tars among them.
pub(super) fn tars() -> Vec<Vec<u8>> {
    let inflated = |bytes: Vec<u8>| {
        let mut tar = Vec::new();
        let decoder = zstd::Decoder::new(bytes.as_slice()).ok()?;
        std::io::Read::read_to_end(&mut std::io::Read::take(decoder, 1 << 20), &mut tar).ok()?;
        Some(tar)
    };
    archives().into_iter().filter_map(inflated).filter(|tar| tar.len() <= SEED_BYTES).collect()
}

/// What was taken is a tree of plain modes whose links stay inside.
fn check(staging: &Path) {
    let found = entries_below(staging, &[]).unwrap_or_default();
    let root = fs::canonicalize(staging).unwrap_or_default();
    assert!(!found.is_empty(), "an archive of nothing was taken");
    for (path, what) in found {
        match what {
            Entry::Directory(mode) => assert_eq!(mode, 0o755, "{}", path.display()),
            Entry::File(mode, _) => assert!([0o644, 0o755].contains(&mode), "{}", path.display()),
            Entry::Special => panic!("{} is special", path.display()),
            Entry::Link(target) => {
                let led = fs::canonicalize(staging.join(&path)).unwrap_or_else(|_| root.clone());
                assert!(led.starts_with(&root), "{} -> {}", path.display(), target.display());
            }
        }
    }
}

/// Few mutations leave a checksum right, and then nothing behind it would ever be reached.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut tar = data.to_vec();
    let mut at = 0;
    while let Some(block) = tar.get_mut(at..at + 512) {
        at += 512;
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        let header = Header::of(block);
        block.copy_from_slice(&header.block());
        let size = std::str::from_utf8(&block[124..135]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 8).ok()).unwrap_or(0);
        at = at.saturating_add(size.next_multiple_of(512));
    }
    Tar::new().raw(&tar).end().bytes().to_vec()
}
