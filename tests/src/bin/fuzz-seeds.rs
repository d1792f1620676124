//! Writes what each fuzz target begins with into a directory: `fuzz-seeds DIRECTORY`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use fleet_tests::fuzzing::TARGETS;
use protocol::Digest;
use sha2::{Digest as _, Sha256};

fn main() -> Result<()> {
    let into = PathBuf::from(std::env::args_os().nth(1).context("name a directory")?);
    for target in TARGETS {
        let directory = into.join(target.name);
        std::fs::create_dir_all(&directory)?;
        for seed in (target.seeds)() {
            let digest = Digest::from_bytes(Sha256::digest(&seed).into());
            std::fs::write(directory.join(digest.hex()), seed)?;
        }
    }
    Ok(())
}
