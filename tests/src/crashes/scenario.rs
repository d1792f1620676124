//! What is ordered while the updater is killed, and what may come of it.

use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use protocol::{Digest, LastTransaction, Outcome};
use strum::VariantArray as _;

use crate::{Behaviour, Host, Packing, Release, Tree};

/// An order, and the state that the host is in before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Scenario {
    /// A good release on an empty host.
    FirstInstall,
    /// A bad release on an empty host.
    BadFirstInstall,
    /// A good release is put on the disk only.
    Stage,
    Update,
    /// The release that runs, once more.
    Again,
    /// A release that the master does not confirm.
    Unconfirmed,
    /// A release that answers 500.
    FailedProbe,
    /// A release whose agent ends at once.
    FailedStart,
    /// A release whose agent cannot even be started: it is refused before the switch.
    NoProgram,
    /// A release that fails in its watch.
    FailedWatch,
    /// A good release, handed over to.
    Handover,
    /// A handover to a release whose agent ends before it is ready.
    NeverReady,
    /// A handover to a release that fails in its watch, and is handed back.
    HandedBack,
    /// A good release that changes the form of stored data.
    Migration,
    /// A release that changes it, answers 500, and takes the data back with it.
    FailedMigration,
    /// Back to the release before.
    Rollback,
    /// A release of the updater itself.
    SelfUpdate,
}

/// What is at stake in one run of a scenario.
#[derive(Debug)]
pub(super) struct ScenarioRun {
    /// What was active before.
    pub(super) active: Option<Digest>,
    /// What was `prev` before.
    pub(super) prev: Option<Digest>,
    /// What the order is about, if it is sent.
    pub(super) release: Option<Release>,
    /// What the order goes to.
    pub(super) target: Digest,
}

impl ScenarioRun {
    /// Where a plain rollback goes afterwards.
    pub(super) fn prev_after(&self, last: &LastTransaction) -> Option<Digest> {
        if last.to == self.active { self.prev } else { self.active }
    }
}

impl Scenario {
    /// Whether the host is empty before it.
    pub(super) const fn begins_empty(self) -> bool {
        matches!(self, Self::FirstInstall | Self::BadFirstInstall)
    }

    /// Whether one agent is handed over to the next.
    pub(super) const fn hands_over(self) -> bool {
        matches!(self, Self::Handover | Self::NeverReady | Self::HandedBack)
    }

    /// The release that it is about, which no run before it has had.
    pub(super) fn release(self, serial: u32) -> Result<Option<Release>> {
        let message = format!("{self:?} {serial}");
        let good = Behaviour { message, ..Behaviour::default() };
        let release = match self {
            Self::Rollback | Self::Again => return Ok(None),
            Self::FirstInstall
            | Self::Stage
            | Self::Update
            | Self::Unconfirmed
            | Self::Handover => Tree::release(&good)?,
            Self::BadFirstInstall | Self::FailedProbe => {
                Tree::release(&Behaviour { status: Some(500), ..good })?
            }
            Self::FailedStart | Self::NeverReady => {
                Tree::release(&Behaviour { crash: Some("no".into()), ..good })?
            }
            Self::FailedWatch => Tree::release(&Behaviour { dies_after: Some(1), ..good })?,
            Self::Migration => Tree::migrating(&good)?.pack(Packing::Zstd)?,
            Self::FailedMigration => {
                Tree::migrating(&Behaviour { status: Some(500), ..good })?.pack(Packing::Zstd)?
            }
            Self::HandedBack => Tree::release(&Behaviour { fails_after: Some(2), ..good })?,
            Self::NoProgram => {
                let tree = Tree::empty()?;
                tree.file("serial", &serial.to_string())?;
                tree.pack(Packing::Zstd)?
            }
            Self::SelfUpdate => Tree::updater(&serial.to_string())?.pack(Packing::Zstd)?,
        };
        Ok(Some(release))
    }

    /// Orders it. An error means that no answer came.
    pub(super) fn order(self, host: &Host, run: &ScenarioRun) -> Result<()> {
        let path = match self {
            Self::Stage => format!("/releases/{}", run.target),
            Self::Unconfirmed => "/update?confirm=true".to_owned(),
            // However slow the machine is, it fails before this is over.
            Self::FailedWatch | Self::HandedBack => "/update?watch=1h".to_owned(),
            Self::SelfUpdate => "/update-self?confirm_self=true".to_owned(),
            _ => "/update".to_owned(),
        };
        let call = match &run.release {
            Some(release) if self == Self::Stage => {
                let put = host.master().call(reqwest::Method::PUT, &path);
                put.header("content-type", release.media_type()).body(release.bytes.clone())
            }
            Some(release) => host.order(&path, release),
            None if self == Self::Again => {
                let order = serde_json::json!({ "digest": run.target, "force": true });
                host.master().post(&path).json(&order)
            }
            None => host.master().post("/rollback"),
        };
        let answer = call.send()?;
        let told = answer.status < 300 || answer.status == 409;
        let refused = self == Self::NoProgram && answer.status == 422;
        ensure!(told || refused, "it was refused: {answer:?}");
        Ok(())
    }

    /// Whether it may have ended so, and where the host is then.
    pub(super) fn may_end(self, run: &ScenarioRun, last: &LastTransaction) -> Result<()> {
        let expected: &[Outcome] = match self {
            Self::FirstInstall
            | Self::Update
            | Self::Again
            | Self::Handover
            | Self::Migration
            | Self::SelfUpdate => &[Outcome::Updated, Outcome::Interrupted],
            Self::Stage => &[Outcome::Staged, Outcome::Interrupted],
            Self::NoProgram => &[Outcome::Interrupted],
            _ => &[Outcome::RolledBack, Outcome::Interrupted],
        };
        if is_reversed_for_deaths(last) {
            ensure!(
                last.to == run.active,
                "{self:?} was not reversed to {:?}: {last:?}",
                run.active
            );
            return Ok(());
        }
        ensure!(expected.contains(&last.outcome), "{self:?} ended as {last:?}");
        let arrived = match last.outcome {
            Outcome::Updated => true,
            Outcome::RolledBack => self == Self::Rollback,
            _ => false,
        };
        let to = if arrived { Some(run.target) } else { run.active };
        ensure!(last.to == to, "{self:?} ended at {:?}, not {to:?}: {last:?}", last.to);
        Ok(())
    }
}

/// A sweep kills the updater twice and then ends it: these are three deaths, and an updater that counts them
/// turns around.
fn is_reversed_for_deaths(last: &LastTransaction) -> bool {
    let said = last.detail.as_deref().unwrap_or_default();
    last.outcome == Outcome::RolledBack
        && said.starts_with("reversed: the host or the updater died")
}

impl FromStr for Scenario {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::VARIANTS.iter().copied().find(|scenario| scenario.to_string() == text);
        found.with_context(|| format!("no scenario is called {text}"))
    }
}
