//! What another process of the updater does for a drill: it can be killed in the middle.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Subcommand;
use protocol::{
    AppName, CallerKind, Event, EventKind, Kind, OrderOptions, Phase, TransactionResult,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::DrillError;
use super::release::digest_of;
use super::scratch_app::ScratchApp;
use crate::config::Config;
use crate::sys::wall_clock;
use crate::systemd::BusConnection;
use crate::transaction::{
    App, Archive, ArchiveMessage, Declared, Events, Order, Recovery, Target, run_without_daemon,
};
use crate::trust::UnverifiedManifest;

/// What the process does.
#[derive(Debug, Clone, Subcommand)]
pub enum DrillAction {
    /// Takes this archive
    Update {
        /// The archive
        archive: PathBuf,
    },
    /// Goes back to the release before
    Rollback,
    /// Finishes what was cut short
    Recover,
}

/// What the process says of it, as one line of JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ActionReport {
    /// From the announcement of the flip to the next state, in milliseconds.
    pub(super) flip_ms: Option<u64>,
    /// What went wrong, if something did, and the end of what was printed.
    pub(super) detail: Option<String>,
}

/// Carries an action out on the scratch app beside `app`. Needs a runtime's thread that may block.
pub fn carry_out(
    config: &Config,
    app: &AppName,
    action: &DrillAction,
    systemd: &BusConnection,
) -> Result<ActionReport, DrillError> {
    let scratch = ScratchApp::beside(config, app, systemd)?;
    let handle = tokio::runtime::Handle::current();
    let events = Events::new(wall_clock());
    let ScratchApp { config, name, resources, .. } = &scratch;
    let app = Arc::new(App::new(name.clone(), config, events, resources, handle.clone())?);
    let recovering = match app.recover() {
        Recovery::Idle => None,
        Recovery::Finishing(finishing) => Some(finishing),
        Recovery::Locked => return Err(DrillError::NotWhole("another process holds its lock")),
        Recovery::Blocked(why) => return Err(DrillError::Said(why)),
    };
    let order = match (action, recovering) {
        (DrillAction::Recover, recovering) => {
            recovering.map(std::thread::JoinHandle::join);
            return Ok(ActionReport::default());
        }
        (_, Some(_)) => return Err(DrillError::NotWhole("something was left unfinished")),
        (DrillAction::Update { archive }, None) => {
            let bytes = std::fs::read(archive).map_err(DrillError::disk("read", archive))?;
            order(Kind::Update, Target::Archive(sent(bytes)))
        }
        (DrillAction::Rollback, None) => order(Kind::Rollback, Target::Previous),
    };
    let mut flip = Flip::default();
    let ended = handle.block_on(run_without_daemon(&app, order, |event| flip.hear(event)));
    let detail = match ended {
        Ok(Some(result)) => problem_of(&result),
        Ok(None) => Some("it ended without a result".to_owned()),
        Err(failure) => Some(failure.problem.detail),
    };
    Ok(ActionReport { flip_ms: flip.took(), detail })
}

fn problem_of(result: &TransactionResult) -> Option<String> {
    let problem = result.problem.as_ref()?;
    let output = problem.output.iter().rev().take(3).rev().map(|line| format!(" | {line}"));
    Some(problem.detail.clone() + &output.collect::<String>())
}

fn order(kind: Kind, target: Target) -> Order {
    Order {
        kind,
        target,
        options: OrderOptions::default(),
        caller: CallerKind::Drill,
        by: None,
        connection: 0,
        epoch: None,
        order: None,
    }
}

/// An archive that has come as a whole.
fn sent(bytes: Vec<u8>) -> Archive {
    let (sender, messages) = mpsc::channel(2);
    let declared = Declared { digest: Some(digest_of(&bytes)), ..Declared::default() };
    let length = Some(bytes.len() as u64);
    // There is room for both.
    let _ = sender.try_send(ArchiveMessage::Chunk(Bytes::from(bytes)));
    let _ = sender.try_send(ArchiveMessage::End(Declared::default()));
    Archive { messages, declared, length, alone: true, presented: UnverifiedManifest::default() }
}

/// How long the flip takes.
#[derive(Debug, Default)]
struct Flip {
    began: Option<time::OffsetDateTime>,
    took: Option<time::Duration>,
}

impl Flip {
    fn hear(&mut self, event: &Event) {
        match (&event.kind, self.began) {
            (EventKind::Phase { phase: Phase::Switching, .. }, None) => {
                self.began = Some(event.time);
            }
            (EventKind::Phase { .. }, Some(began)) if self.took.is_none() => {
                self.took = Some(event.time - began);
            }
            _ => {}
        }
    }

    fn took(&self) -> Option<u64> {
        // The wall clock may have been set meanwhile: no time is less than none.
        let took: Duration = self.took?.try_into().unwrap_or_default();
        u64::try_from(took.as_millis()).ok()
    }
}
