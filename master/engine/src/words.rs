//! The words that operators read for where a host stands: the same ones on every screen. What programs
//! read keeps the names of the wire. `docs/words.md` says what each means.

use protocol::{Code, HostOutcome, Phase};

use crate::{HostActivity, HostResult, HostState, MasterCode, ResultCode};

const WENT_BACK: &str = "went_back";

impl HostState {
    /// What the host does, or what it came to.
    pub fn word(&self) -> &'static str {
        match self.activity {
            HostActivity::Pending => "waiting",
            HostActivity::Observing => "checking",
            HostActivity::Querying => "asking",
            HostActivity::Updating(phase) => phase.into_str(),
            HostActivity::UpdatingSelf => "updating_self",
            HostActivity::RollingBack(Phase::Watching) => "watching",
            HostActivity::RollingBack(_) => "rolling_back",
            HostActivity::Done => self.result.as_ref().map_or("done", |result| result.word()),
        }
    }
}

impl HostResult {
    /// What the host came to. `rolled_back`: the release failed there, and was taken back; where going back
    /// was what was asked for, it `went_back`.
    pub fn word(&self) -> &'static str {
        outcome_word(self.outcome, self.code.as_ref().map(ResultCode::as_str))
    }

    /// Whether it is what was asked for, or harmless.
    pub fn is_bad(&self) -> bool {
        match self.outcome {
            HostOutcome::Updated | HostOutcome::AlreadyCurrent | HostOutcome::Skipped => false,
            HostOutcome::RolledBack => self.word() != WENT_BACK,
            HostOutcome::Failed
            | HostOutcome::Unreachable
            | HostOutcome::Unclear
            | HostOutcome::Stranded => true,
        }
    }
}

/// The word for an outcome and the code that came with it.
pub fn outcome_word(outcome: HostOutcome, code: Option<&str>) -> &'static str {
    let taken_back = MasterCode::TakenBack.into_str();
    match (outcome, code) {
        (HostOutcome::RolledBack, None) => WENT_BACK,
        // With the whole rollout, which an operator or the policy asked for.
        (HostOutcome::RolledBack, Some(code)) if code == taken_back => WENT_BACK,
        (HostOutcome::Unclear, Some(code)) if code == Code::Interrupted.name() => "left",
        (outcome, _) => outcome.into_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strum::{VariantArray as _, VariantNames as _};

    use super::*;
    use crate::{RolloutResult, Status};

    #[test]
    fn the_book_has_every_word() {
        let book = include_str!("../../../docs/words.md");
        let outcomes = HostOutcome::VARIANTS.iter().map(|outcome| outcome.into_str());
        let others = ["waiting", "checking", "asking", "updating_self", "rolling_back", "left"];
        for word in outcomes.chain(others).chain(["went_back", "went_forward"]) {
            let is_row = |line: &str| line.starts_with('|') && line.contains(&format!("`{word}`"));
            assert!(book.lines().any(is_row), "{word} is not in docs/words.md");
        }
    }

    #[test]
    fn the_book_has_every_word_for_where_a_rollout_stands() {
        let book = include_str!("../../../docs/words.md");
        let (_, section) = book.split_once("## Where a rollout stands").unwrap();
        let word = |line: &'static str| line.strip_prefix("| `")?.split('`').next();
        let rows: BTreeSet<&str> = section.lines().filter_map(word).collect();
        let words = Status::VARIANTS.iter().chain(RolloutResult::VARIANTS).copied();
        assert_eq!(rows, words.collect());
    }

    #[test]
    fn a_word_means_one_thing() {
        assert_eq!(outcome_word(HostOutcome::RolledBack, None), "went_back");
        assert_eq!(outcome_word(HostOutcome::RolledBack, Some("taken_back")), "went_back");
        assert_eq!(outcome_word(HostOutcome::RolledBack, Some("rolled_back")), "rolled_back");
        assert_eq!(outcome_word(HostOutcome::Unclear, Some("interrupted")), "left");
        assert_eq!(outcome_word(HostOutcome::Unclear, Some("lost")), "unclear");
    }
}
