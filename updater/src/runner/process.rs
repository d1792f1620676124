//! The runner that starts the agent itself.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::Digest;

use super::beside::BESIDE;
use super::former_start::told;
use super::instance_slot::{Grouping, InstanceSlot};
use super::log::{AgentLog, LogPipe};
use super::own_group::GroupMaker;
use super::reload_command::ReloadCommand;
use super::sockets::Sockets;
use super::strays::{self, Stray};
use super::transient::Transient;
use super::units::{HandoverUnitsRunner, UnitsRunner};
use super::{Handover, Instance, Killed, Launch, ProgramLog, Reload, RunnerError, RunnerResources};
use crate::config::{AppConfig, RunnerKind, Strategy};
use crate::release::Layout;
use crate::sys::excerpt::Excerpt;
use crate::sys::executable::check_executable;
use crate::sys::spawn::Spawn;
use crate::sys::user::User;

/// What starts, stops and finds one app's agent. All of it blocks; for a plain thread.
pub trait Runner: Debug + Send + Sync {
    /// Looks for what would keep a release from being started, while the one before still runs.
    fn check(&self, _launch: &Launch) -> Result<(), RunnerError> {
        Ok(())
    }

    /// Starts a release. What is left of an agent that died is ended before; one that runs is an
    /// error.
    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError>;

    /// Ends all processes of an agent, also where its first one is dead already. Returns when all
    /// are gone, and says what had to be killed.
    fn stop(&self, instance: &Instance, grace: Duration) -> Result<Option<Killed>, RunnerError>;

    /// Ends what was last started, by this updater or an earlier one, also where its first process is
    /// dead. When this returns, nothing of any start is left; it says what had to be killed.
    fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError>;

    /// The agent that has ended while no updater looked, where it is known how.
    fn ended_unseen(&self) -> Result<Option<Instance>, RunnerError> {
        Ok(None)
    }

    /// The agent that runs, started by this updater, an earlier one, or systemd.
    fn find(&self) -> Result<Option<Instance>, RunnerError>;

    /// Whether a process is of an agent of this app, also of one that is not written down.
    fn owns(&self, pid: u32) -> bool;

    /// Takes over an agent of ours that is not written down, if it is of the active release and none is
    /// known; others are ended. Of every release there is one start.
    fn adopt_stray(&self, _active: &Digest, _grace: Duration) -> Result<(), RunnerError> {
        Ok(())
    }

    /// Makes systemd wait for the updater before it starts the agent at boot. To be called before a link
    /// moves for the first time.
    fn order_boot_after_updater(&self) -> Result<(), RunnerError> {
        Ok(())
    }

    /// Keeps systemd from starting an agent at boot that is down now.
    fn prevent_boot_start(&self) -> Result<(), RunnerError> {
        Ok(())
    }

    /// Takes back what was put on the host for releases: there is none any more.
    fn remove_host_files(&self) -> Result<(), RunnerError> {
        Ok(())
    }

    /// Whether systemd starts the agent again when it ends, so that the updater must not.
    fn restarts_by_itself(&self) -> bool {
        false
    }

    /// Tells what an agent has printed since it was started, line by line; of very much, its beginning and
    /// its end.
    fn read_output(&self, instance: &Instance, on_line: &mut dyn FnMut(&str));

    /// The same of the last start, where that failed.
    fn read_failed_start(&self, _on_line: &mut dyn FnMut(&str)) {}

    /// What is shown of that, where it was just started.
    fn shown_output(&self, instance: &Instance) -> Vec<String> {
        let mut output = Excerpt::default();
        self.read_output(instance, &mut |line| output.push(line));
        output.shown()
    }

    /// The last lines of it, where it ran for long.
    fn last_lines(&self, instance: &Instance, lines: usize) -> Vec<String> {
        let mut output = Excerpt::of_end(lines);
        self.read_output(instance, &mut |line| output.push(line));
        output.shown()
    }

    /// Sees that what the agent prints is kept, and within its bound. To be called now and then.
    fn tend_log(&self) -> Result<(), RunnerError> {
        Ok(())
    }

    /// The disk is full: lets what is kept of the agent's output go, but for its end. Says how many bytes
    /// that were.
    fn give_way(&self) -> u64 {
        0
    }

    /// What an operator has to know of how the agent was started. `active` is how its release would be
    /// started now.
    fn warning(&self, _active: Option<&Launch>) -> Option<String> {
        None
    }

    /// The first process of an agent that runs though nothing of it is written down: systemd takes orders of
    /// others.
    fn started_by_others(&self) -> Option<u32> {
        None
    }

    /// Where what it prints is kept.
    fn logs(&self) -> &dyn ProgramLog;

    /// How it runs two agents at once, if it can.
    fn handover(&self) -> Option<&dyn Handover> {
        None
    }

    /// How it tells an agent that runs to follow a release, if that is how one follows another here.
    fn reload(&self) -> Option<&dyn Reload> {
        None
    }
}

/// The runner that an app's configuration asks for. `state` is the app's own state directory, and has
/// its name.
pub fn for_app(config: &AppConfig, state: &Path, resources: &RunnerResources) -> Box<dyn Runner> {
    let systemd = &resources.systemd;
    if config.run.kind == RunnerKind::Systemd {
        return match config.run.strategy {
            Strategy::Restart | Strategy::Reload => {
                Box::new(UnitsRunner::new(&config.run, state, systemd))
            }
            Strategy::Handover => Box::new(HandoverUnitsRunner::new(config, state, systemd)),
        };
    }
    let app = state.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let transient = Transient::for_app(config, app.clone(), state, systemd);
    let seat = |name: &str| {
        let grouping = Grouping {
            app: app.clone(),
            wanted: resources.control_groups,
            start_timeout: config.run.start_timeout.0,
        };
        InstanceSlot::new(state.join(name), config.run.kill_timeout.0, transient.clone(), grouping)
    };
    let groups = GroupMaker {
        app: app.clone(),
        limits: config.run.group_limits(),
        systemd: transient.clone(),
        refused: Arc::default(),
    };
    Box::new(ProcessRunner {
        groups,
        user: config.user.clone(),
        command: config.run.command.as_ref().map(|command| command.0.clone()),
        reload: ReloadCommand::of(&config.run),
        install: config.install_dir.clone(),
        store: Layout::new(&config.install_dir).store(),
        log: AgentLog::new(state, config.run.log_bytes.0, resources.program.clone()),
        failed_at: Mutex::default(),
        sockets: Sockets::new(app.clone(), &config.run.sockets, resources.sockets.clone()),
        serving: seat("instance.json"),
        beside: seat("beside.json"),
    })
}

#[derive(Debug)]
pub(super) struct ProcessRunner {
    pub(super) groups: GroupMaker,
    pub(super) user: Option<String>,
    /// What the configuration says instead of each release.
    pub(super) command: Option<Vec<String>>,
    /// By what a release follows another, where none is stopped for that.
    pub(super) reload: Option<ReloadCommand>,
    pub(super) install: PathBuf,
    /// Where its releases are.
    store: PathBuf,
    pub(super) log: AgentLog,
    /// Where in the log the output of the last start begins, if that failed.
    pub(super) failed_at: Mutex<Option<u64>>,
    pub(super) sockets: Sockets,
    /// The agent that serves, or should.
    pub(super) serving: InstanceSlot,
    /// In a handover: the one that is to follow it.
    beside: InstanceSlot,
}

impl Runner for ProcessRunner {
    /// Looks whether the user is there, and the program one that the kernel would execute.
    fn check(&self, launch: &Launch) -> Result<(), RunnerError> {
        let variables = launch.variables();
        let spawn = Spawn::new(&launch.command, &launch.release_path, self.user()?, &variables)?;
        let path = spawn.environment.get("PATH").map_or("", String::as_str);
        Ok(check_executable(&spawn.program, &launch.release_path, path)?)
    }

    fn start(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        if let Some(running) = self.find()? {
            return Err(RunnerError::Running { pid: running.process().pid });
        }
        self.clear(Duration::ZERO)?;
        self.start_in(&self.serving, launch, None)
    }

    fn stop(&self, instance: &Instance, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let killed = self.serving.stop(instance, grace)?;
        close(instance.record().log.as_ref());
        Ok(killed)
    }

    fn clear(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        let killed = clear_seat(&self.serving, grace)?;
        self.strays()?.iter().try_for_each(|stray| self.end_stray(stray, grace))?;
        Ok(killed)
    }

    fn adopt_stray(&self, active: &Digest, grace: Duration) -> Result<(), RunnerError> {
        let mut strays = self.strays()?;
        let adopted = match self.serving.find()? {
            Some(_) => None,
            // The one that was started last serves.
            None => strays.iter().rposition(|stray| stray.digest == *active),
        };
        let adopted = adopted.map(|index| strays.remove(index));
        strays.iter().try_for_each(|stray| self.end_stray(stray, grace))?;
        adopted.map_or(Ok(()), |stray| self.adopt(stray))
    }

    fn ended_unseen(&self) -> Result<Option<Instance>, RunnerError> {
        self.serving.ended_unseen()
    }

    fn find(&self) -> Result<Option<Instance>, RunnerError> {
        let found = self.serving.find()?;
        if let Some(instance) = &found {
            self.sockets.share(instance);
        }
        Ok(found)
    }

    fn owns(&self, pid: u32) -> bool {
        strays::is_ours(pid, &self.store, &self.users())
            || [&self.serving, &self.beside].iter().any(|seat| seat.has_left(pid))
    }

    fn remove_host_files(&self) -> Result<(), RunnerError> {
        self.sockets.let_go();
        Ok(())
    }

    fn read_output(&self, instance: &Instance, on_line: &mut dyn FnMut(&str)) {
        for seat in [&self.serving, &self.beside] {
            let record = seat.read().ok().flatten().filter(|record| instance.is_of(record));
            if let Some(pipe) = record.and_then(|record| record.log) {
                self.log.settle(&pipe);
            }
        }
        self.log.read(instance.log_start(), on_line);
    }

    fn read_failed_start(&self, on_line: &mut dyn FnMut(&str)) {
        let failed = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log_start) = failed {
            self.log.read(log_start, on_line);
        }
    }

    fn logs(&self) -> &dyn ProgramLog {
        &self.log
    }

    fn tend_log(&self) -> Result<(), RunnerError> {
        let Some(instance) = self.serving.living() else { return Ok(()) };
        let record = self.serving.read()?.filter(|record| instance.is_of(record));
        let Some(mut record) = record else { return Ok(()) };
        let leader = Some(instance.process());
        if record.leader != leader {
            record.leader = leader;
            self.serving.write(&record)?;
        }
        let Some(pipe) = &record.log else { return self.log.cut_to_bound() };
        let Some(pipe) = self.log.tend(pipe, &instance.process()) else { return Ok(()) };
        record.log = Some(pipe);
        self.serving.write(&record)
    }

    fn give_way(&self) -> u64 {
        self.log.give_way()
    }

    fn warning(&self, active: Option<&Launch>) -> Option<String> {
        let start = self.serving.read().ok()??;
        let runs = self.serving.living().is_some_and(|known| known.is_of(&start));
        if let Some(former) = self.former(&start, active).filter(|_| runs) {
            return Some(told(&former));
        }
        let is_bounded = start.group.is_some() || start.own_group.is_some();
        self.groups.warning(start.leader.as_ref(), is_bounded)
    }

    fn handover(&self) -> Option<&dyn Handover> {
        Some(self)
    }

    fn reload(&self) -> Option<&dyn Reload> {
        self.reload.as_ref().map(|_| self as &dyn Reload)
    }
}

impl Handover for ProcessRunner {
    fn prepare(&self) -> Result<(), RunnerError> {
        Ok(self.sockets.hold(self.serving.find()?.as_ref())?)
    }

    fn start_beside(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        clear_seat(&self.beside, Duration::ZERO)?;
        self.start_in(&self.beside, launch, Some(BESIDE))
    }

    fn find_beside(&self) -> Result<Option<Instance>, RunnerError> {
        self.beside.find()
    }

    fn has_beside(&self) -> Result<bool, RunnerError> {
        self.beside.is_taken()
    }

    fn clear_beside(&self, grace: Duration) -> Result<Option<Killed>, RunnerError> {
        clear_seat(&self.beside, grace)
    }

    fn promote(&self) -> Result<(), RunnerError> {
        self.serving.take_over(&self.beside)
    }

    fn let_go(&self) {
        self.sockets.let_go();
    }
}

impl ProcessRunner {
    pub(super) fn user(&self) -> Result<User, RunnerError> {
        Ok(match &self.user {
            Some(name) => User::by_name(name)?,
            None => User::current()?,
        })
    }
}

impl ProcessRunner {
    /// Agents of ours that are not written down.
    fn strays(&self) -> Result<Vec<Stray>, RunnerError> {
        let written = [self.serving.read()?, self.beside.read()?];
        let known: Vec<_> = written.into_iter().flatten().map(|record| record.mark).collect();
        strays::find(&self.store, &known, &self.users()).map_err(RunnerError::Follow)
    }

    /// Which users its agents may be of. One that is gone must not keep an agent from being stopped.
    fn users(&self) -> Vec<u32> {
        let user = self.user.as_deref().and_then(|name| User::by_name(name).ok());
        User::current().into_iter().chain(user).map(|user| user.uid).collect()
    }
}

/// Ends all of a start, and then what wrote its output down.
fn clear_seat(seat: &InstanceSlot, grace: Duration) -> Result<Option<Killed>, RunnerError> {
    let pipe = seat.read()?.and_then(|record| record.log);
    let killed = seat.clear(grace)?;
    close(pipe.as_ref());
    Ok(killed)
}

/// What wrote the output of an agent down that is gone ends with it.
pub(super) fn close(pipe: Option<&LogPipe>) {
    if let Some(pipe) = pipe {
        AgentLog::close(pipe);
    }
}
