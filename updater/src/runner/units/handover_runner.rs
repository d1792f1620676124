//! The runner whose agent is units of a template, `agent@a` or `agent@b`, which take their sockets from
//! socket units: so one release can follow the other while that one still serves.
//!
//! `current@a` and `release@a.env` say to each unit which release it is. They change only while the
//! unit is down, and those of the unit that does not serve name the release that the other one serves:
//! systemd, for a connection, and an administrator start the right one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::remove_durably;

use super::control::{Control, Start, is_of_this_boot};
use super::environment_file;
use super::files::UnitFiles;
use super::handover_obstacles::handover_obstacles;
use super::journal_log::LoggedUnit;
use super::of_release::NamedUnits;
use super::own_processes::is_of_units;
use super::shipped::kept_units;
use super::template_instance::TemplateInstance;
use crate::config::{AppConfig, RunConfig};
use crate::release::Layout;
use crate::runner::beside::BESIDE;
use crate::runner::instance_slot::{Grouping, InstanceSlot};
use crate::runner::process::Runner;
use crate::runner::record::Record;
use crate::runner::{Behaviour, Handover, Instance, Killed, Launch, ProgramLog, RunnerError};
use crate::sys::checkpoint;
use crate::systemd::{BusConnection, UNIT_DIRECTORY, is_template};

#[derive(Debug)]
pub(in crate::runner) struct HandoverUnitsRunner {
    config: RunConfig,
    /// Templates of services, in their order.
    templates: Vec<String>,
    /// What they take their sockets from.
    sockets: Vec<String>,
    pub(super) control: Control,
    files: UnitFiles,
    layout: Layout,
    state: PathBuf,
    /// The agent that serves, or should.
    serving: InstanceSlot,
    /// In a handover: the one that is to follow it.
    beside: InstanceSlot,
}

impl HandoverUnitsRunner {
    /// For the units that the configuration names. `state` is the app's own state directory.
    pub(in crate::runner) fn new(
        app: &AppConfig,
        state: &Path,
        connection: &BusConnection,
    ) -> Self {
        let run = &app.run;
        let (templates, sockets) = run.units.iter().cloned().partition(|unit| is_template(unit));
        let seat = |name: &str| {
            InstanceSlot::new(state.join(name), run.kill_timeout.0, None, Grouping::default())
        };
        Self {
            config: run.clone(),
            templates,
            sockets,
            control: Control::new(run, connection),
            files: UnitFiles::new(Path::new(UNIT_DIRECTORY), state.join("units.json")),
            layout: Layout::new(&app.install_dir),
            state: state.to_owned(),
            serving: seat("instance.json"),
            beside: seat("beside.json"),
        }
    }
}

impl Runner for HandoverUnitsRunner {
    fn check(&self, launch: &Launch) -> Result<(), RunnerError> {
        let units = [self.sockets.clone(), self.units(&TemplateInstance::BOTH)].concat();
        let named = NamedUnits { units, unit_files: self.config.unit_files.clone() };
        let shipped = kept_units(&launch.release_path)?;
        self.control.check(&named, &named.units, &shipped, &named.units)
    }

    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        self.serving.prepare()?;
        self.put_files(launch)?;
        // Before anything is stopped: what a connection starts meanwhile is of this release too.
        for side in TemplateInstance::BOTH {
            self.point(side, launch, None)?;
        }
        self.control.end(&self.units(&TemplateInstance::BOTH), self.config.stop_grace.0)?;
        self.open_sockets()?;
        self.start_in(&self.serving, TemplateInstance::A, launch)
    }

    fn stop(&self, _instance: &Instance, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        self.clear(grace)
    }

    fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let mut units = match side_of(&self.beside)? {
            // That one goes on.
            Some(beside) => self.units(&[beside.other()]),
            None => self.everything(),
        };
        // What was started before the configuration named other units.
        let recorded = self.serving.read()?.map(|record| record.unit_names()).unwrap_or_default();
        units.extend(
            recorded.into_iter().filter(|unit| !self.units(&TemplateInstance::BOTH).contains(unit)),
        );
        let killed = self.control.end(&units, grace)?;
        let left = self.serving.clear(grace)?;
        Ok(killed.or(left))
    }

    fn owns(&self, pid: u32) -> bool {
        is_of_units(pid, &self.config.units)
    }

    fn find(&self) -> Result<Option<Instance>, RunnerError> {
        if let Some(known) = self.serving.living() {
            return Ok(Some(known));
        }
        let Some(record) = self.serving.read()?.filter(|record| !record.units.is_empty()) else {
            return Ok(None);
        };
        let Some(side) = record.side else { return Ok(None) };
        // systemd has started it again, by itself or for a connection, or an administrator has. Which
        // release that was is known only while nothing is under way.
        let rests = !self.state.join("journal.json").exists();
        let units = self.units(&[side]);
        let found = self.control.find(&self.serving, record.clone(), &units, rests)?;
        if found.is_some() || !rests {
            return Ok(found);
        }
        let side = side.other();
        let record = Record { side: Some(side), ..record };
        self.control.find(&self.serving, record, &self.units(&[side]), true)
    }

    fn order_boot_after_updater(&self) -> Result<(), RunnerError> {
        self.files.add(&self.drop_ins())
    }

    fn prevent_boot_start(&self) -> Result<(), RunnerError> {
        let states = self.control.states(&self.units(&TemplateInstance::BOTH))?;
        if states.iter().all(|(_, state)| state.is_down()) {
            // A connection would start one.
            self.control.stop(&self.everything(), self.config.kill_timeout.0)?;
        }
        Ok(())
    }

    fn remove_host_files(&self) -> Result<(), RunnerError> {
        for side in TemplateInstance::BOTH {
            let gone = self.layout.remove_side(side.into_str());
            gone.map_err(|source| file("remove", self.layout.install().to_owned(), source))?;
            let variables = environment_file::variables_file(&self.state, side.into_str());
            remove_durably(&variables).map_err(|source| file("remove", variables, source))?;
        }
        self.files.bring_about(&BTreeMap::new(), || self.control.reload())
    }

    /// systemd does, from the first start after a boot on: that one may be the updater's to make.
    fn restarts_by_itself(&self) -> bool {
        self.serving.read().ok().flatten().as_ref().is_some_and(is_of_this_boot)
    }

    fn started_by_others(&self) -> Option<u32> {
        self.control.main_process(&self.units(&TemplateInstance::BOTH))
    }

    fn read_output(&self, instance: &Instance, on_line: &mut dyn FnMut(&str)) {
        self.control.read_output(&instance.units(), instance.started_at(), on_line);
    }

    fn logs(&self) -> &dyn ProgramLog {
        self
    }

    fn handover(&self) -> Option<&dyn Handover> {
        Some(self)
    }
}

impl Handover for HandoverUnitsRunner {
    fn prepare(&self) -> Result<(), RunnerError> {
        if let Some(found) = handover_obstacles(&self.config, &self.control.bus)?.into_iter().next()
        {
            return Err(RunnerError::NoHandover { unit: found.unit, why: found.why });
        }
        if self.find()?.is_none() {
            return Ok(());
        }
        for (unit, state) in self.control.states(&self.sockets)? {
            if !state.is_active() {
                let why = format!("{}; `updater restart` opens it again", state.describe());
                return Err(RunnerError::NoHandover { unit, why });
            }
        }
        Ok(())
    }

    fn start_beside(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        self.check(launch)?;
        let side = side_of(&self.serving)?.map_or(TemplateInstance::A, TemplateInstance::other);
        self.beside.prepare()?;
        // Before it is started: a crash in between must not leave an agent that no updater knows of.
        self.beside.write(&Record::of_units(launch, Some(side)))?;
        self.put_files(launch)?;
        self.point(side, launch, Some(BESIDE))?;
        self.control.end(&self.units(&[side]), self.config.stop_grace.0)?;
        self.open_sockets()?;
        self.start_in(&self.beside, side, launch)
    }

    fn find_beside(&self) -> Result<Option<Instance>, RunnerError> {
        if let Some(known) = self.beside.living() {
            return Ok(Some(known));
        }
        let started = |record: &Record| !record.units.is_empty();
        let Some(record) = self.beside.read()?.filter(started) else { return Ok(None) };
        let Some(side) = record.side else { return Ok(None) };
        self.control.find(&self.beside, record, &self.units(&[side]), false)
    }

    fn has_beside(&self) -> Result<bool, RunnerError> {
        self.beside.is_taken()
    }

    fn clear_beside(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let serving = self.serving.read()?;
        let killed = match serving.as_ref().and_then(|serving| Some((serving, serving.side?))) {
            None => self.control.end(&self.everything(), grace)?,
            Some((serving, side)) => {
                let side = side.other();
                let killed = self.control.end(&self.units(&[side]), grace)?;
                let launch = self.launch_of(serving);
                self.put_files(&launch)?;
                self.point(side, &launch, None)?;
                killed
            }
        };
        let left = self.beside.clear(grace)?;
        Ok(killed.or(left))
    }

    fn promote(&self) -> Result<(), RunnerError> {
        let record = self.beside.read()?;
        let successor = record.as_ref().and_then(|record| Some((record, record.side?)));
        if let Some((record, side)) = successor {
            // If systemd starts it again, no other agent serves beside it.
            self.point(side, &self.launch_of(record), None)?;
        }
        self.serving.take_over(&self.beside)?;
        if let Some((record, side)) = successor {
            self.point(side.other(), &self.launch_of(record), None)?;
        }
        Ok(())
    }

    /// They were closed with the agent.
    fn let_go(&self) {}
}

impl HandoverUnitsRunner {
    /// The units of these sides.
    fn units(&self, sides: &[TemplateInstance]) -> Vec<String> {
        let of_side = |side: &TemplateInstance| {
            self.templates.iter().map(|template| side.unit(template)).collect()
        };
        sides.iter().flat_map(|side| -> Vec<String> { of_side(side) }).collect()
    }

    /// Services whose output is the app's.
    pub(super) fn logged_units(&self) -> Vec<LoggedUnit> {
        let serving = side_of(&self.serving).ok().flatten().unwrap_or(TemplateInstance::A);
        let both = |template: &String| TemplateInstance::BOTH.map(|side| side.unit(template));
        let logged = |template: &String| LoggedUnit {
            serves: serving.unit(template),
            all: both(template).to_vec(),
        };
        self.templates.iter().map(logged).collect()
    }

    /// All that there is. Without the sockets, a connection would start a unit again.
    fn everything(&self) -> Vec<String> {
        [self.sockets.clone(), self.units(&TemplateInstance::BOTH)].concat()
    }

    fn start_in(
        &self,
        seat: &InstanceSlot,
        side: TemplateInstance,
        launch: &Launch,
    ) -> Result<Instance, RunnerError> {
        let record = Record::of_units(launch, Some(side));
        self.control.start(seat, &self.units(&[side]), launch, record)
    }

    /// Those that are open stay so.
    fn open_sockets(&self) -> Result<(), RunnerError> {
        for unit in &self.sockets {
            match self.control.start_unit(unit)? {
                Start::Done => {}
                Start::Unusable(how) | Start::Failed(how) => {
                    return Err(RunnerError::SocketUnit { unit: unit.clone(), how });
                }
            }
        }
        Ok(())
    }

    /// Brings the unit files about that a release wants. They are those of both sides.
    fn put_files(&self, launch: &Launch) -> Result<(), RunnerError> {
        let mut wanted = kept_units(&launch.release_path)?;
        wanted.retain(|unit, _| self.config.unit_files.contains(unit));
        wanted.extend(self.drop_ins());
        self.files.bring_about(&wanted, || self.control.reload())?;
        checkpoint("units_placed");
        Ok(())
    }

    /// What the units have of the updater's, whatever the release.
    fn drop_ins(&self) -> BTreeMap<String, String> {
        let templates =
            self.templates.iter().map(|unit| (unit, environment_file::of_template(&self.state)));
        let sockets = self.sockets.iter().map(|unit| (unit, environment_file::of_socket()));
        let named = |(unit, text): (&String, String)| (environment_file::drop_in_name(unit), text);
        templates.chain(sockets).map(named).collect()
    }

    /// From now on a unit that is started on this side is of this release.
    fn point(
        &self,
        side: TemplateInstance,
        launch: &Launch,
        flag: Option<&str>,
    ) -> Result<(), RunnerError> {
        let pointed = self.layout.point_side(side.into_str(), &launch.digest);
        pointed.map_err(|source| file("write", self.layout.install().to_owned(), source))?;
        environment_file::write(
            &environment_file::variables_file(&self.state, side.into_str()),
            launch,
            flag,
        )
    }

    /// How what is written down was started.
    fn launch_of(&self, record: &Record) -> Launch {
        Launch {
            release_path: record.release_path.clone(),
            digest: record.digest,
            version: record.version.clone(),
            command: Vec::new(),
            environment: self.config.env.clone(),
            behaviour: Behaviour::default(),
        }
    }
}

/// On which side the agent of a place is, or was last.
fn side_of(seat: &InstanceSlot) -> Result<Option<TemplateInstance>, RunnerError> {
    Ok(seat.read()?.and_then(|record| record.side))
}

fn file(act: &'static str, path: PathBuf, source: io::Error) -> RunnerError {
    RunnerError::File { act, path, source }
}
