//! Starting, stopping and finding the units of one app, where one release is stopped before the next is
//! started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::{Control, is_of_this_boot};
use super::environment_file;
use super::files::UnitFiles;
use super::own_processes::is_of_units;
use super::shipped::kept_units;
use crate::config::RunConfig;
use crate::runner::instance_slot::{Grouping, InstanceSlot};
use crate::runner::process::Runner;
use crate::runner::record::Record;
use crate::runner::{Instance, Killed, Launch, RunnerError};
use crate::sys::checkpoint;
use crate::systemd::{BusConnection, UNIT_DIRECTORY};

#[derive(Debug)]
pub(in crate::runner) struct UnitsRunner {
    units: Vec<String>,
    /// Unit files that a release may ship.
    unit_files: Vec<String>,
    control: Control,
    stop_grace: Duration,
    files: UnitFiles,
    seat: InstanceSlot,
    /// `release.env`, which the units' drop-ins name.
    variables: PathBuf,
    /// There while a transaction is under way.
    journal: PathBuf,
}

impl UnitsRunner {
    /// For the units that the configuration names. `state` is the app's own state directory.
    pub(in crate::runner) fn new(
        config: &RunConfig,
        state: &Path,
        connection: &BusConnection,
    ) -> Self {
        Self {
            units: config.units.clone(),
            unit_files: config.unit_files.clone(),
            control: Control::new(config, connection),
            stop_grace: config.stop_grace.0,
            files: UnitFiles::new(Path::new(UNIT_DIRECTORY), state.join("units.json")),
            seat: InstanceSlot::new(
                state.join("instance.json"),
                config.kill_timeout.0,
                None,
                Grouping::default(),
            ),
            variables: state.join("release.env"),
            journal: state.join("journal.json"),
        }
    }
}

impl Runner for UnitsRunner {
    fn check(&self, launch: &Launch) -> Result<(), RunnerError> {
        self.control.check(&self.units, &self.unit_files, launch)
    }

    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        self.seat.prepare()?;
        self.end_former()?;
        self.control.end_strays(&self.units)?;
        environment_file::write(&self.variables, launch, None)?;
        let mut wanted = kept_units(launch)?;
        wanted.retain(|unit, _| self.unit_files.contains(unit));
        wanted.extend(self.drop_ins());
        self.files.bring_about(&wanted, || self.control.reload())?;
        checkpoint("units_placed");
        self.control.start(&self.seat, &self.units, launch, Record::of_units(launch, None))
    }

    fn owns(&self, pid: u32) -> bool {
        is_of_units(pid, &self.units)
    }

    fn stop(&self, _instance: &Instance, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        self.clear(grace)
    }

    fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let units = [self.units.clone(), self.former_units()?].concat();
        let killed = self.control.stop(&units, grace)?;
        // What was started while it was no unit, too.
        let left = self.seat.clear(grace)?;
        Ok(killed.or(left))
    }

    fn find(&self) -> Result<Option<Instance>, RunnerError> {
        if let Some(known) = self.seat.living() {
            return Ok(Some(known));
        }
        let Some(record) = self.seat.read()? else { return Ok(None) };
        if record.units.is_empty() {
            return self.seat.find();
        }
        if !self.former_units()?.is_empty() {
            let units = record.unit_names();
            let found = self.control.find(&self.seat, record.clone(), &units, false)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        // systemd has started them again, or an administrator has. Which release that was is known
        // only where no link can have moved since.
        self.control.find(&self.seat, record, &self.units, !self.journal.exists())
    }

    fn order_boot_after_updater(&self) -> Result<(), RunnerError> {
        self.files.add(&self.drop_ins())
    }

    fn prevent_boot_start(&self) -> Result<(), RunnerError> {
        self.control.prevent_boot_start(&self.units)
    }

    fn remove_host_files(&self) -> Result<(), RunnerError> {
        self.files.bring_about(&BTreeMap::new(), || self.control.reload())
    }

    /// systemd does, from the first start after a boot on: that one may be the updater's to make.
    fn restarts_by_itself(&self) -> bool {
        self.seat.read().ok().flatten().as_ref().is_some_and(is_of_this_boot)
    }

    fn warning(&self) -> Option<String> {
        let record = self.seat.read().ok()??;
        let runs = self.seat.living().is_some_and(|known| known.is_of(&record));
        let former = record.former(&self.units).filter(|_| runs)?;
        Some(format!(
            "{former}, as the configuration was then: `updater restart` starts it as it is now"
        ))
    }

    fn read_output(&self, instance: &Instance, on_line: &mut dyn FnMut(&str)) {
        self.control.read_output(&self.units, instance.started_at(), on_line);
    }
}

impl UnitsRunner {
    /// Units that were started last and that the configuration does not name any more.
    fn former_units(&self) -> Result<Vec<String>, RunnerError> {
        let started = self.seat.read()?.map(|record| record.unit_names()).unwrap_or_default();
        Ok(started.into_iter().filter(|unit| !self.units.contains(unit)).collect())
    }

    /// Ends what was started as the configuration was then, of which a new start would make a second one.
    fn end_former(&self) -> Result<(), RunnerError> {
        let units = self.former_units()?;
        if !units.is_empty() {
            self.control.end(&units, self.stop_grace)?;
        }
        if self.seat.read()?.is_some_and(|record| record.units.is_empty()) {
            self.seat.clear(self.stop_grace)?;
        }
        Ok(())
    }

    /// What the services of the app have of the updater's, whatever the release.
    fn drop_ins(&self) -> BTreeMap<String, String> {
        let services = self.units.iter().filter(|unit| unit.ends_with(".service"));
        let named = |unit: &String| {
            (environment_file::drop_in_name(unit), environment_file::of_service(&self.variables))
        };
        services.map(named).collect()
    }
}
