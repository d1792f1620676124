//! The trees that are pushed, from a fixed seed, and their archives.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fleet_tests::{Behaviour, Output, Tree, program};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// 300 files, 2 MB, like sources.
    Small,
    /// 3,000 files, 200 MB, half of it incompressible.
    Large,
    /// 1 GiB of zeros and noise.
    Huge,
}

/// A tree's archives, of the same tar.
#[derive(Debug)]
pub(crate) struct Archives {
    /// As `swarm pack` makes it.
    pub(crate) zstd: PathBuf,
    /// The same, with gzip.
    pub(crate) gzip: PathBuf,
}

impl Archives {
    /// Makes tree and archives in `directory`; only the archives stay.
    pub(crate) fn make(directory: &Path, size: Size) -> Result<Self> {
        let tree = Tree::agent(&Behaviour::default())?;
        let mut random = Random(SEED);
        match size {
            Size::Small => files(tree.path(), 300, 2 << 20, 0, &mut random)?,
            Size::Large => files(tree.path(), 3000, 200 << 20, 2, &mut random)?,
            Size::Huge => files(tree.path(), 8, 1 << 30, 2, &mut random)?,
        }
        let name = format!("{size:?}").to_lowercase();
        let zstd = directory.join(format!("{name}.tar.zst"));
        let gzip = directory.join(format!("{name}.tar.gz"));
        let mut pack = Command::new(program("swarm")?);
        pack.arg("--home").arg(directory.join("pack-home"));
        Output::of(pack.arg("pack").arg(tree.path()).arg("-o").arg(&zstd))?.good()?;
        recompress(&zstd, &gzip)?;
        Ok(Self { zstd, gzip })
    }
}

fn recompress(zstd: &Path, gzip: &Path) -> Result<()> {
    let mut inflate = Command::new("zstd").arg("-dc").arg(zstd).stdout(Stdio::piped()).spawn()?;
    let tar = inflate.stdout.take().context("a pipe")?;
    let deflated =
        Command::new("gzip").arg("-6").stdin(tar).stdout(File::create(gzip)?).status()?;
    ensure!(inflate.wait()?.success() && deflated.success(), "gzip or zstd failed");
    Ok(())
}

/// Writes `count` files of `total` bytes in all, in directories of fifty. Of every `noisy` files
/// one is incompressible; none if that is zero.
fn files(root: &Path, count: u64, total: u64, noisy: u64, random: &mut Random) -> Result<()> {
    let size = total / count;
    for number in 0..count {
        let directory = root.join(format!("lib/part-{:03}", number / 50));
        fs::create_dir_all(&directory)?;
        let file = File::create(directory.join(format!("file-{number:04}")))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let length = size / 2 + random.next() % size.max(1);
        match (noisy, count) {
            (0, _) => text(&mut file, length, random)?,
            (of, _) if number % of == 0 => noise(&mut file, length, random)?,
            (_, 8) => zeros(&mut file, length)?,
            _ => text(&mut file, length, random)?,
        }
        file.flush()?;
    }
    Ok(())
}

fn noise(file: &mut impl Write, length: u64, random: &mut Random) -> Result<()> {
    let mut left = length;
    while left > 0 {
        let bytes = random.next().to_le_bytes();
        let take = left.min(8);
        file.write_all(&bytes[..usize::try_from(take)?])?;
        left -= take;
    }
    Ok(())
}

fn zeros(file: &mut impl Write, length: u64) -> Result<()> {
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), length), file)?;
    Ok(())
}

/// Words and numbers, about as compressible as sources.
fn text(file: &mut impl Write, length: u64, random: &mut Random) -> Result<()> {
    const WORDS: [&str; 16] = [
        "let", "return", "release", "self", "->", "match", "if", "host", "=", "{", "}", "Result",
        "fn", "pub", "digest", "for",
    ];
    let mut written = 0;
    while written < length {
        let value = random.next();
        let word = WORDS[usize::try_from(value % 16)?];
        let line = format!("    {word} value_{:x} {}\n", value >> 52, (value >> 20) & 0xfff);
        file.write_all(line.as_bytes())?;
        written += line.len() as u64;
    }
    Ok(())
}

/// xorshift64*: the same bytes on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
