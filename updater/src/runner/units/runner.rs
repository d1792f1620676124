//! Starting, stopping and finding the units of one app, where one release is stopped before the next is
//! started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::{Control, is_of_this_boot};
use super::environment_file;
use super::files::UnitFiles;
use super::journal_log::LoggedUnit;
use super::none_reloads;
use super::of_release::NamedUnits;
use super::own_processes::is_of_units;
use super::shipped::kept_units;
use crate::config::{RunConfig, Strategy};
use crate::runner::former_start::told;
use crate::runner::instance_slot::{Grouping, InstanceSlot};
use crate::runner::process::Runner;
use crate::runner::record::Record;
use crate::runner::reload_command::ReloadCommand;
use crate::runner::{Instance, Killed, Launch, ProgramLog, Reload, RunnerError};
use crate::sys::user::User;
use crate::sys::{BootTime, checkpoint, proc, wall_clock};
use crate::systemd::{BusConnection, UNIT_DIRECTORY};

#[derive(Debug)]
pub(in crate::runner) struct UnitsRunner {
    named: NamedUnits,
    /// Whether what runs is told to follow a release.
    reloads: bool,
    /// By what, where its own `ExecReload=` is not what does it.
    reload: Option<ReloadCommand>,
    pub(super) control: Control,
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
            named: NamedUnits::new(config),
            reloads: config.strategy == Strategy::Reload,
            reload: ReloadCommand::of(config),
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
        let shipped = kept_units(&launch.release_path)?;
        let units = self.named.of_release(&shipped);
        let running = self.seat.read()?.map(|record| record.unit_names()).unwrap_or_default();
        self.control.check(&self.named, &units, &shipped, &running)?;
        // What a release ships is not loaded before it is its turn.
        if !self.reloads || self.reload.is_some() || !shipped.is_empty() {
            return Ok(());
        }
        let states = self.control.states(&units)?;
        match none_reloads(states.iter().map(|(unit, state)| (unit.as_str(), state))) {
            None => Ok(()),
            Some(why) => {
                let unit = units.join(", ");
                Err(RunnerError::UnusableUnit { unit, why, shipped: false })
            }
        }
    }

    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        let shipped = self.shipped(&launch.release_path)?;
        let units = self.named.of_release(&shipped);
        self.seat.prepare()?;
        self.end_former(&units)?;
        self.control.end_strays(&units)?;
        self.place_files(&units, &shipped, launch)?;
        let units = self.named.to_start(&shipped, self.control.states(&units)?);
        self.control.start(&self.seat, &units, launch, Record::of_units(launch, None))
    }

    fn owns(&self, pid: u32) -> bool {
        is_of_units(pid, &self.all_units().unwrap_or_else(|_| self.named.units.clone()))
    }

    fn stop(&self, _instance: &Instance, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        self.clear(grace)
    }

    fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let killed = self.control.stop(&self.all_units()?, grace)?;
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
        let units = self.units_of(&record);
        if !self.former_units(&units)?.is_empty() {
            let units = record.unit_names();
            let found = self.control.find(&self.seat, record.clone(), &units, false)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let shipped = self.shipped(&record.release_path).unwrap_or_default();
        let units = self.named.to_start(&shipped, self.control.states(&units)?);
        // systemd has started them again, or an administrator has. Which release that was is known
        // only where no link can have moved since.
        self.control.find(&self.seat, record, &units, !self.journal.exists())
    }

    fn order_boot_after_updater(&self) -> Result<(), RunnerError> {
        self.files.add(&self.drop_ins(&self.all_units()?))
    }

    fn prevent_boot_start(&self) -> Result<(), RunnerError> {
        self.control.prevent_boot_start(&self.all_units()?)
    }

    fn remove_host_files(&self) -> Result<(), RunnerError> {
        let wanted = BTreeMap::new();
        self.control.end(&self.files.leaving(&wanted)?, self.stop_grace)?;
        self.files.bring_about(&wanted, || self.control.reload())
    }

    /// systemd does, from the first start after a boot on: that one may be the updater's to make.
    fn restarts_by_itself(&self) -> bool {
        self.seat.read().ok().flatten().as_ref().is_some_and(is_of_this_boot)
    }

    fn warning(&self, _active: Option<&Launch>) -> Option<String> {
        let record = self.seat.read().ok()??;
        let runs = self.seat.living().is_some_and(|known| known.is_of(&record));
        let former = record.former(&self.units_of(&record)).filter(|_| runs)?;
        Some(told(&former))
    }

    fn started_by_others(&self) -> Option<u32> {
        self.control.main_process(&self.all_units().ok()?)
    }

    fn read_output(&self, instance: &Instance, on_line: &mut dyn FnMut(&str)) {
        self.control.read_output(&instance.units(), instance.started_at(), on_line);
    }

    fn logs(&self) -> &dyn ProgramLog {
        self
    }

    fn reload(&self) -> Option<&dyn Reload> {
        if self.reloads { Some(self) } else { None }
    }
}

impl Reload for UnitsRunner {
    /// What runs has to be the units that would be started, of the same files.
    fn is_possible(&self, launch: &Launch) -> Result<bool, RunnerError> {
        let Some(record) = self.seat.read()? else { return Ok(false) };
        let shipped = self.shipped(&launch.release_path)?;
        if self.shipped(&record.release_path)? != shipped || self.find()?.is_none() {
            return Ok(false);
        }
        let units = self.named.of_release(&shipped);
        let units = self.named.to_start(&shipped, self.control.states(&units)?);
        let started = record.unit_names();
        Ok(started.len() == units.len() && started.iter().all(|unit| units.contains(unit)))
    }

    fn reload(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        let gone = || RunnerError::NoMainProcess { units: self.named.units.join(", ") };
        let record = self.seat.read()?.ok_or_else(gone)?;
        let shipped = self.shipped(&launch.release_path)?;
        self.place_files(&self.named.of_release(&shipped), &shipped, launch)?;
        // Written first: whatever becomes of the order, the release may be in force from now on.
        let record = Record {
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: wall_clock(),
            reloaded: Some(BootTime::next_tick()),
            ..record
        };
        self.seat.write(&record)?;
        let units = record.unit_names();
        match &self.reload {
            None => self.control.reload_units(&units)?,
            Some(command) => {
                let main = self.control.main_process(&units).ok_or_else(gone)?;
                // As systemd runs `ExecReload=`: it may do what the process that it tells may do.
                let user = User::by_number(proc::user(main).ok_or_else(gone)?)?;
                command.run(launch, main, user, &units.join(", "))?;
            }
        }
        self.control.take_reloaded(&self.seat, &units, record)
    }
}

impl UnitsRunner {
    /// What the units of a release read of it, and the units themselves.
    fn place_files(
        &self,
        units: &[String],
        shipped: &BTreeMap<String, String>,
        launch: &Launch,
    ) -> Result<(), RunnerError> {
        environment_file::write(&self.variables, launch, None)?;
        let mut wanted = shipped.clone();
        wanted.extend(self.drop_ins(units));
        // systemd would let it run on, and know no file of it any more.
        self.control.end(&self.files.leaving(&wanted)?, self.stop_grace)?;
        self.files.bring_about(&wanted, || self.control.reload())?;
        checkpoint("units_placed");
        Ok(())
    }

    /// What a release ships and this host takes.
    fn shipped(&self, release: &Path) -> Result<BTreeMap<String, String>, RunnerError> {
        let mut shipped = kept_units(release)?;
        shipped.retain(|unit, _| self.named.unit_files.contains(unit));
        Ok(shipped)
    }

    /// The units of what was started, as the configuration has them now.
    fn units_of(&self, record: &Record) -> Vec<String> {
        // A release that cannot be read is told elsewhere.
        self.named.of_release(&self.shipped(&record.release_path).unwrap_or_default())
    }

    /// Units that were started last and are not among these.
    fn former_units(&self, units: &[String]) -> Result<Vec<String>, RunnerError> {
        let started = self.seat.read()?.map(|record| record.unit_names()).unwrap_or_default();
        Ok(started.into_iter().filter(|unit| !units.contains(unit)).collect())
    }

    /// All that may run: of what was started last, and as the configuration is now.
    fn all_units(&self) -> Result<Vec<String>, RunnerError> {
        let record = self.seat.read()?;
        let units = record.as_ref().map_or(self.named.units.clone(), |it| self.units_of(it));
        Ok([units.clone(), self.former_units(&units)?].concat())
    }

    /// Services whose output is the app's.
    pub(super) fn logged_units(&self) -> Vec<LoggedUnit> {
        let units = self.all_units().unwrap_or_else(|_| self.named.units.clone());
        let services = units.into_iter().filter(|unit| unit.ends_with(".service"));
        services.map(|unit| LoggedUnit { all: vec![unit.clone()], serves: unit }).collect()
    }

    /// Ends what was started last and is not started again: beside a new start it would be a second one, of
    /// another release.
    fn end_former(&self, units: &[String]) -> Result<(), RunnerError> {
        let former = self.former_units(units)?;
        if !former.is_empty() {
            self.control.end(&former, self.stop_grace)?;
        }
        if self.seat.read()?.is_some_and(|record| record.units.is_empty()) {
            self.seat.clear(self.stop_grace)?;
        }
        Ok(())
    }

    /// What services have of the updater's, whatever the release.
    fn drop_ins(&self, units: &[String]) -> BTreeMap<String, String> {
        let services = units.iter().filter(|unit| unit.ends_with(".service"));
        let named = |unit: &String| {
            (environment_file::drop_in_name(unit), environment_file::of_service(&self.variables))
        };
        services.map(named).collect()
    }
}
