//! What the fuzzer begins with, and every input that once failed, given to the targets again.

use std::fs;
use std::path::Path;

use anyhow::Result;
use fleet_tests::fuzzing::TARGETS;

#[test]
fn what_the_fuzzer_begins_with_is_taken_or_refused() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            (target.run)(&seed);
        }
    }
}

#[test]
fn what_once_failed_is_taken_or_refused() -> Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for target in TARGETS {
        assert!(fuzz.join("targets").join(target.name).with_extension("rs").is_file());
        let Ok(inputs) = fs::read_dir(fuzz.join("crashes").join(target.name)) else { continue };
        for input in inputs {
            let path = input?.path();
            eprintln!("{}", path.display());
            (target.run)(&fs::read(path)?);
        }
    }
    Ok(())
}
