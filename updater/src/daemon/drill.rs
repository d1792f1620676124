//! Drills: one at a time, and none while anything real is under way.

use std::sync::{Arc, PoisonError};

use common::chain;
use protocol::{AppName, DrillLine, DrillReport, Problem};
use tokio::sync::mpsc;

use super::Daemon;
use crate::drill::{Drill, keep_last};
use crate::transaction::internal;

impl Daemon {
    /// Begins a drill beside an app. It goes on to its end whoever listens. An order that comes
    /// meanwhile is carried out: a drill is in nobody's way.
    pub fn begin_drill(
        self: &Arc<Self>,
        app: &AppName,
        caller: &str,
    ) -> Result<mpsc::UnboundedReceiver<DrillLine>, Problem> {
        self.check_idle()?;
        let handle = tokio::runtime::Handle::current();
        let drill = Drill::new(&self.config, &self.config_file, app, caller, handle)?;
        let (lines, heard) = mpsc::unbounded_channel();
        let daemon = Arc::clone(self);
        let work = move || {
            let report = drill.run(|step| drop(lines.send(DrillLine::Step(step.clone()))));
            daemon.keep_drill(&report);
            drop(lines.send(DrillLine::Result(Box::new(report))));
        };
        let thread = std::thread::Builder::new().name("drill".to_owned());
        thread.spawn(work).map_err(|error| internal(&error))?;
        Ok(heard)
    }

    pub fn last_drill(&self) -> Option<DrillReport> {
        self.drill.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_drill(&self, report: &DrillReport) {
        let status = report.status.name();
        match &report.detail {
            None => tracing::info!(app = %report.app, "{}: a drill {status}", report.app),
            Some(why) => {
                tracing::error!(app = %report.app, "{}: a drill {status}: {why}", report.app);
            }
        }
        if let Err(error) = keep_last(&self.config.state_dir, report) {
            tracing::warn!("the drill's report could not be written: {}", chain(&error));
        }
        *self.drill.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    }
}
