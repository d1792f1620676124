//! Many points: all of them, or a sample.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use strum::VariantArray as _;

use super::{CrashedHost, Point, Scenario};

/// More checkpoints than anything passes: a sweep that does not end is a fault of its own.
const MAX_CHECKPOINTS: u32 = 100;
/// A recovery passes about so many checkpoints.
const RECOVERY_CHECKPOINTS: u32 = 12;

/// What came of a sweep.
#[derive(Debug, Default)]
pub struct SweepResult {
    /// Points that were tried.
    pub tried: u32,
    /// Each point that did not hold: which, and why.
    pub lost: Vec<(Point, String)>,
    /// The checkpoints at which an updater was killed.
    pub checkpoints: BTreeSet<String>,
}

impl SweepResult {
    /// Says that every point held.
    ///
    /// # Errors
    /// All that did not, with the command that repeats the first of them.
    pub fn held(&self) -> Result<()> {
        let lost: Vec<_> =
            self.lost.iter().map(|(point, why)| format!("{point} did not hold: {why}")).collect();
        let again = self.lost.first().map(|(point, _)| point.to_string()).unwrap_or_default();
        ensure!(
            lost.is_empty(),
            "{}\n{} of {} points; the first again: \
             make crash ARGS='checkpoints {again}'",
            lost.join("\n"),
            lost.len(),
            self.tried
        );
        Ok(())
    }

    /// Tries a point. Whether as many updaters were killed as it wants.
    fn attempt(&mut self, point: Point, crashed: &mut CrashedHost) -> Result<bool> {
        match point.attempt(crashed) {
            Ok(killed) => {
                let reached = killed.len() == 1 + usize::from(point.second.is_some());
                self.tried += u32::from(reached);
                self.checkpoints.extend(killed);
                Ok(reached)
            }
            Err(error) => {
                self.tried += 1;
                self.lost.push((point, format!("{error:#}")));
                // Whatever it left is not what the next one begins with.
                *crashed = CrashedHost::new(point.scenario)?;
                Ok(true)
            }
        }
    }
}

/// The checkpoints that a scenario passes when nobody is killed, and those of the start before.
///
/// # Errors
/// When it does not go as it should.
pub fn checkpoints_passed(scenario: Scenario) -> Result<BTreeSet<String>> {
    let mut crashed = CrashedHost::new(scenario)?;
    Point { scenario, first: MAX_CHECKPOINTS, second: None }.attempt(&mut crashed)?;
    Ok(crashed.passed())
}

/// Kills the updater once, at every checkpoint of a scenario.
///
/// # Errors
/// When the machine refuses; what does not hold is no error, but in the answer.
pub fn sweep_once(scenario: Scenario) -> Result<SweepResult> {
    Ok(sweep_some(scenario, (1..MAX_CHECKPOINTS).collect())?.0)
}

/// Kills the updater once at each of these checkpoints, as far as they are reached; and says which was the
/// last that was.
fn sweep_some(scenario: Scenario, firsts: Vec<u32>) -> Result<(SweepResult, u32)> {
    let (mut swept, mut crashed) = (SweepResult::default(), CrashedHost::new(scenario)?);
    let mut reached = 0;
    for first in firsts {
        if !swept.attempt(Point { scenario, first, second: None }, &mut crashed)? {
            break;
        }
        reached = first;
    }
    Ok((swept, reached))
}

/// Kills the updater at a checkpoint of a scenario, and the next one at every checkpoint of its recovery.
///
/// # Errors
/// When the machine refuses; what does not hold is no error, but in the answer.
pub fn sweep_recovery(scenario: Scenario, first: u32) -> Result<SweepResult> {
    let (mut swept, mut crashed) = (SweepResult::default(), CrashedHost::new(scenario)?);
    for second in 1..MAX_CHECKPOINTS {
        if !swept.attempt(Point { scenario, first, second: Some(second) }, &mut crashed)? {
            break;
        }
    }
    Ok(swept)
}

/// Kills the updater once at one of so many checkpoints of a scenario, beginning with another one in each
/// scenario; and twice at `pairs` points, which are the same for the same `seed`.
///
/// # Errors
/// When the machine refuses; what does not hold is no error, but in the answer.
pub fn sample(scenario: Scenario, one_of: usize, pairs: u32, seed: u64) -> Result<SweepResult> {
    let index = Scenario::VARIANTS.iter().position(|other| *other == scenario).unwrap_or(0);
    let firsts = (1..MAX_CHECKPOINTS).skip(index % one_of).step_by(one_of).collect();
    let (mut swept, last) = sweep_some(scenario, firsts)?;
    let (mut crashed, mut random) = (CrashedHost::new(scenario)?, SplitMix(seed));
    for _ in 0..pairs {
        let (first, second) = (random.up_to(last), random.up_to(RECOVERY_CHECKPOINTS));
        swept.attempt(Point { scenario, first, second: Some(second) }, &mut crashed)?;
    }
    Ok(swept)
}

/// A generator that is the same everywhere (Steele, Lea and Flood, 2014).
struct SplitMix(u64);

impl SplitMix {
    /// A number from 1 to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        1 + u32::try_from(mixed % u64::from(most.max(1))).unwrap_or(0)
    }
}
