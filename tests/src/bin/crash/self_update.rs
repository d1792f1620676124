//! The updater's own update, disturbed: its answer comes before its end, which is seen by asking.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use fleet_tests::faults::{CallFilter, Fault};
use fleet_tests::{Answer, LONG, Packing, Release, Tree, eventually};
use protocol::{LastTransaction, Outcome, SELF_APP, Status};
use updater::release::remove_tree;

use crate::disturbed_host::{DisturbedHost, ScenarioEnd};

impl DisturbedHost {
    /// Orders a release of the updater itself, disturbed by `plans`, on a host that never had one:
    /// what runs becomes the first.
    pub(super) fn replace(&mut self, plans: Vec<(CallFilter, Fault)>) -> Result<ScenarioEnd> {
        self.host.kill()?;
        for directory in [self.host.directory.join("self"), self.own_state()] {
            remove_tree(&directory)?;
        }
        self.sync()?;
        self.start()?;
        let old = Some(self.host.health()?.digest);
        self.releases += 1;
        let new = Tree::updater(&format!("release {}", self.releases))?.pack(Packing::Zstd)?;
        self.interceptor.arm(plans);
        let answer = self.order_own(&new);
        let queued = answer.as_ref().is_ok_and(|answer| answer.status < 300);
        let updated = queued && self.own_end(0)?;
        Ok(ScenarioEnd { old, new, answer: Some(answer), updated })
    }

    /// The same order once more, undisturbed.
    pub(super) fn replace_again(&self, release: &Release) -> Result<()> {
        let before = self.own_history().len();
        // Who has just written its end down may need a moment to be free.
        let answer = eventually("the updater to take the next order for itself", LONG, || {
            self.order_own(release).ok().filter(|answer| answer.status != 423)
        })?;
        let result = answer.result()?;
        if result.status != Status::AlreadyCurrent {
            ensure!(self.own_end(before)?, "it ended as {:?}", self.own_history().last());
        }
        self.host.rests()
    }

    fn order_own(&self, release: &Release) -> Result<Answer> {
        self.host.order("/update-self?confirm_self=true", release).send()
    }

    /// Asks the host, as its master does, until the update has ended or the updater has. Whether the
    /// new one is in charge then, beyond so many lines of the history.
    fn own_end(&self, before: usize) -> Result<bool> {
        let journal = self.own_state().join("journal.json");
        eventually("the updater's own update to end", LONG, || {
            // Asked in any case: the new one waits for that.
            let health = self.host.health();
            if self.host.updater_processes().is_empty() {
                return Some(false);
            }
            let last = self.own_history().into_iter().skip(before).last()?;
            let updated = last.outcome == Outcome::Updated;
            let answers = !updated || health.is_ok_and(|health| last.to == Some(health.digest));
            (answers && !journal.exists()).then_some(updated)
        })
        .with_context(|| self.host.log())
    }

    fn own_history(&self) -> Vec<LastTransaction> {
        let text = fs::read_to_string(self.own_state().join("history.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn own_state(&self) -> PathBuf {
        self.host.directory.join("state/apps").join(SELF_APP)
    }
}
