//! The updater is killed at checkpoints of everything that it does, and sometimes once more while the next
//! one recovers. What must hold, holds; and the next release works.
//!
//! `make crash` tries every checkpoint and every pair; here it is a sample, the same each time.

use std::collections::BTreeSet;

use anyhow::Result;
use fleet_tests::crashes::{CrashedHost, Point, Scenario, checkpoints_passed, sample};
use strum::VariantArray as _;

/// One of so many checkpoints of each scenario is tried.
const ONE_OF: usize = 3;
/// Points of each scenario at which two updaters are killed.
const PAIRS: u32 = 3;
const SEED: u64 = 20_261_124;

fn holds(scenario: Scenario) -> Result<()> {
    sample(scenario, ONE_OF, PAIRS, SEED)?.held()
}

#[test]
fn lesson_07_a_first_install_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::FirstInstall)
}

#[test]
fn lesson_01_a_bad_first_install_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::BadFirstInstall)
}

#[test]
fn a_staging_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Stage)
}

#[test]
fn lesson_07_an_update_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Update)
}

#[test]
fn an_update_to_what_runs_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Again)
}

#[test]
fn an_unconfirmed_update_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Unconfirmed)
}

#[test]
fn the_reversal_of_a_failed_probe_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::FailedProbe)
}

#[test]
fn lesson_05_the_reversal_of_a_failed_start_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::NoProgram)
}

#[test]
fn the_reversal_of_a_crashing_agent_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::FailedStart)
}

#[test]
fn the_reversal_of_a_failed_watch_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::FailedWatch)
}

#[test]
fn a_handover_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Handover)
}

#[test]
fn a_handover_that_never_gets_ready_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::NeverReady)
}

#[test]
fn lesson_24_a_handing_back_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::HandedBack)
}

#[test]
fn a_migration_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Migration)
}

#[test]
fn the_way_back_from_a_migration_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::FailedMigration)
}

#[test]
fn a_rollback_survives_the_death_of_its_updater() -> Result<()> {
    holds(Scenario::Rollback)
}

/// Each of these moves the whole updater, so that only a few are tried here.
#[test]
fn lesson_21_the_updaters_own_update_survives_it_at_its_checkpoints() -> Result<()> {
    let scenario = Scenario::SelfUpdate;
    let mut crashed = CrashedHost::new(scenario)?;
    // In its first release being made, in the trial of the new one, at the flip, and at the end.
    for (first, second) in [(2, None), (9, None), (13, None), (10, Some(2)), (16, None)] {
        Point { scenario, first, second }.attempt(&mut crashed)?;
    }
    Ok(())
}

/// Checkpoints at which the updater is killed elsewhere: of a signed release, in `signatures.rs`; of
/// units, in `booted_cuts.rs`.
const ELSEWHERE: [&str; 2] = ["counter_kept", "units_placed"];

/// A checkpoint that no scenario passes is one at which nobody is ever killed.
#[test]
fn every_checkpoint_is_passed() -> Result<()> {
    let mut seen: BTreeSet<String> = ELSEWHERE.map(str::to_owned).into();
    for scenario in Scenario::VARIANTS {
        seen.extend(checkpoints_passed(*scenario)?);
    }
    let all = sys::CHECKPOINTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, all);
    Ok(())
}
