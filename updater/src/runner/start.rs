//! Starting a release in a place where nothing is left.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use protocol::{FORMAT, Period};

use super::instance_slot::InstanceSlot;
use super::log::BegunLog;
use super::members::MARK;
use super::process::{ProcessRunner, close};
use super::record::Record;
use super::{Instance, Launch, RunnerError};
use crate::release::open_named;
use crate::sys::excerpt::Excerpt;
use crate::sys::fs::read_named;
use crate::sys::kept::Kept;
use crate::sys::process::{ProcessHandle, ProcessId};
use crate::sys::run::describe;
use crate::sys::spawn::{Output, Spawn};
use crate::sys::{proc, wall_clock};

/// Between two looks whether the process that stays has written its number down.
const NEXT_LOOK: Duration = Duration::from_millis(20);
/// Bytes that a file with a number may have.
const PID_FILE_BYTES: u64 = 64;

/// What was started, and how its end is learned.
type Started = (ProcessHandle, Option<Kept>);

impl ProcessRunner {
    /// Starts a release in a place where nothing is left. `flag` is set in its environment: it is
    /// for this start alone, and the next has it no more.
    pub(super) fn start_in(
        &self,
        seat: &InstanceSlot,
        launch: &Launch,
        flag: Option<&str>,
    ) -> Result<Instance, RunnerError> {
        self.note_failed_at(None);
        let user = self.user()?;
        let uid = user.uid;
        let mut variables = launch.variables();
        let mark = new_mark().map_err(RunnerError::Follow)?;
        variables.insert(MARK.to_owned(), mark.clone());
        variables.extend(flag.map(|flag| (flag.to_owned(), "1".to_owned())));
        let mut spawn = Spawn::new(&launch.command, &launch.release_path, user, &variables)?;
        self.sockets.hold(self.serving.find()?.as_ref())?;
        spawn.pass_sockets(self.sockets.copies().map_err(RunnerError::Follow)?);
        seat.prepare()?;
        let BegunLog { output, pipe, start: log_start } = self.log.begin(launch)?;
        let closed = pipe.clone();
        let transient = seat.transient.as_ref().filter(|transient| transient.wanted);
        let (unified, own_group) = if transient.is_some() {
            (None, None)
        } else {
            (seat.make_group(&mark), self.groups.plan(&mark))
        };
        let mut record = Record {
            format: FORMAT,
            group: transient.map(|transient| transient.group(&mark)),
            unified_group: unified.as_ref().map(|group| group.directory().to_owned()),
            mark,
            leader: None,
            since: None,
            user: Some(uid),
            command: launch.command.clone(),
            keeper: None,
            own_group: own_group.clone(),
            units: Vec::new(),
            side: None,
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: wall_clock(),
            reloaded: None,
            log_start,
            log: Some(pipe),
            behaviour: launch.behaviour.clone(),
        };
        // Before it is started: a crash in between must not leave an agent that no updater knows of.
        seat.write(&record)?;
        let started = if let Some(transient) = transient {
            let started = transient.start(&record.mark, &spawn, &launch.behaviour, output);
            // It may be over by now, for which the release is to blame, and not the host.
            started.and_then(|pid| found(pid)?.ok_or_else(|| transient.has_ended(&record.mark)))
        } else {
            spawn.output = Output::File(output);
            spawn.admission = own_group.map(|group| self.groups.admission(&record.mark, &group));
            spawn.exits = seat.make_exits(&record.mark);
            let joined = unified.map(|group| group.open()).transpose();
            joined.map_err(RunnerError::Follow).and_then(|joined| {
                spawn.group = joined;
                let (kept, keeper, first) = spawn.start_kept()?;
                record.keeper = Some(keeper);
                Ok((first, Some(kept)))
            })
        };
        let started = started.and_then(|started| {
            record.leader = Some(started.0.id().clone());
            record.since = Some(started.0.id().start_time);
            record.own_group.take_if(|group| !group.holds(started.0.id().pid));
            seat.write(&record)?;
            if transient.is_some() {
                Ok(started)
            } else {
                followed_to_background(&record, started, seat)
            }
        });
        let children = [record.leader.clone(), record.keeper.clone()];
        let result = started.and_then(|(leader, kept)| {
            if record.leader.as_ref() != Some(leader.id()) {
                record.leader = Some(leader.id().clone());
                seat.write(&record)?;
            }
            seat.followed(record, leader, kept)
        });
        match result {
            Ok(instance) => {
                seat.follow(instance.clone());
                Ok(instance)
            }
            Err(error) => {
                seat.clear(Duration::ZERO)?;
                // No thread follows them, which would.
                children.iter().flatten().for_each(|child| reap(child, seat.kill_timeout));
                close(Some(&closed));
                self.note_failed_at(Some(log_start));
                Err(self.with_output(error, log_start))
            }
        }
    }

    fn note_failed_at(&self, log_start: Option<u64>) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = log_start;
    }

    /// What a program printed before it failed to start is in the log.
    fn with_output(&self, error: RunnerError, log_start: u64) -> RunnerError {
        let output = || {
            let mut output = Excerpt::default();
            self.log.read(log_start, &mut |line| output.push(line));
            output.shown()
        };
        match error {
            RunnerError::Unit { unit, how, .. } => {
                RunnerError::Unit { unit, how, output: output() }
            }
            RunnerError::Background { why, .. } => {
                RunnerError::Background { why, output: output() }
            }
            other => other,
        }
    }
}

/// The first process of a unit, if it lives.
fn found(pid: u32) -> Result<Option<Started>, RunnerError> {
    let Some(stat) = proc::stat(pid) else { return Ok(None) };
    let leader = ProcessId::from_stat(&stat).open().map_err(RunnerError::Follow)?;
    Ok(leader.map(|leader| (leader, None)))
}

/// The process that stays, of an agent that goes to the background: its file must name one of its own.
fn followed_to_background(
    record: &Record,
    (first, kept): Started,
    seat: &InstanceSlot,
) -> Result<Started, RunnerError> {
    let Some(file) = &record.behaviour.pid_file else { return Ok((first, kept)) };
    let limit = seat.grouping.start_timeout;
    let deadline = Instant::now() + limit;
    let failed = |why: String| RunnerError::Background { why, output: Vec::new() };
    if !first.wait(Some(deadline)).map_err(RunnerError::Follow)? {
        let why = "stays in the foreground, although it says `forks = true`";
        return Err(failed(format!("{why}: its first process runs after {}", Period(limit))));
    }
    let status = first.reap().or_else(|| kept?.status());
    if let Some(status) = status.filter(|status| !ExitStatus::success(status)) {
        return Err(failed(describe(status)));
    }
    let signs = record.signs(Some(first.id().clone()));
    loop {
        let members = signs.members().map_err(RunnerError::Follow)?;
        let named = named_in(&record.release_path, file);
        let number = named.as_ref().ok().copied().flatten();
        if let Some(stays) = members.iter().find(|stat| Some(stat.pid) == number) {
            let stays = ProcessId::from_stat(stays).open().map_err(RunnerError::Follow)?;
            return Ok((stays.ok_or_else(gone)?, None));
        }
        if members.is_empty() {
            return Err(failed("left nothing in the background".to_owned()));
        }
        if deadline <= Instant::now() {
            let (left, file) = (super::members::names(&members), file.display());
            return Err(failed(format!("left {left}, and {file} {}", why_none(named))));
        }
        // No event tells that a file has been written by another program.
        thread::park_timeout(NEXT_LOOK);
    }
}

/// The number in a file of a release; `None` if there is another thing in it.
fn named_in(release: &Path, file: &Path) -> io::Result<Option<u32>> {
    let handle = open_named(release, file)?;
    let text = read_named(&handle, "it", PID_FILE_BYTES)?;
    Ok(str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok()))
}

/// Why none of an agent's processes is the one that a file names, in words that follow the file's name.
fn why_none(named: io::Result<Option<u32>>) -> String {
    match named {
        Ok(Some(_)) => "names none of these".to_owned(),
        Ok(None) => "has no number in it".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is not there".to_owned(),
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// Reaps a child of the updater that has been ended.
fn reap(child: &ProcessId, timeout: Duration) {
    if let Ok(Some(child)) = child.open()
        && matches!(child.wait(Some(Instant::now() + timeout)), Ok(true))
    {
        child.reap();
    }
}

fn gone() -> RunnerError {
    RunnerError::Follow(io::Error::from(io::ErrorKind::NotFound))
}

/// A name that no other start has.
fn new_mark() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}
