//! The driver: it carries out what the engine decides, and tells the engine what came of it.
//!
//! It does nothing before the event that it follows from is stored. Hosts, clock and store are behind
//! [`Executor`] and [`Ledger`], so that the same driver drives real and simulated fleets.

use std::future::Future;
use std::time::Duration;

use protocol::HostName;
use time::OffsetDateTime;

use crate::{Command, Event, Request, State};

/// How often the driver renews its lease, and looks into the ledger for requests of other processes.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// Carries commands out on the hosts, and has the clock that they live by.
pub trait Executor {
    fn now(&self) -> OffsetDateTime;

    /// Begins to carry a command out, and does not wait for it. Never gets `Announce` or `RecordSkipped`:
    /// those are the ledger's.
    fn carry_out(&mut self, command: Command);

    /// The next thing that happens, or [`DriverEvent::TimeReached`] at `until`.
    fn next(&mut self, until: OffsetDateTime) -> impl Future<Output = DriverEvent>;
}

/// Something that happens while a rollout is driven.
#[derive(Debug, Clone, PartialEq)]
pub enum DriverEvent {
    /// An event of the rollout.
    Event(Event),
    /// An order comes along. It is shown and not stored.
    Progress { host: HostName, progress: HostProgress },
    /// The process is asked to end: once to start no host any more, twice to leave.
    StopRequested,
    /// The time that was waited for has come.
    TimeReached,
}

/// What is shown of a host's order between its phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostProgress {
    /// So many bytes of the archive went to the host.
    Sent { bytes: u64, total: u64 },
    /// The release was asked for the `attempt`th time, from 1, in the phase that the host is in.
    Probed { attempt: u32, passed: bool },
}

/// One step, as it is stored.
pub struct Step<'a> {
    pub time: OffsetDateTime,
    pub event: &'a Event,
    pub commands: &'a [Command],
    /// The state after it.
    pub state: &'a State,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is stored and shown.
    Appended,
    /// Another process has appended something in the meantime: the step has to be made anew.
    Behind,
}

/// Where the events of a rollout are stored.
pub trait Ledger {
    /// Why an event could not be read or stored.
    type Error;

    /// The state after the first `events` events, or after all of them, and how many they were.
    fn read(&mut self, events: Option<u64>) -> Result<(State, u64), Self::Error>;

    /// The events after the first `events`.
    fn events_after(&mut self, events: u64) -> Result<Vec<(OffsetDateTime, Event)>, Self::Error>;

    /// Stores a step as the one after the first `events`.
    fn append(&mut self, events: u64, step: &Step<'_>) -> Result<AppendOutcome, Self::Error>;

    /// Renews the driver's lease. Fails if another process drives the rollout now.
    fn renew(&mut self, now: OffsetDateTime) -> Result<(), Self::Error>;

    /// Shows how a host's order comes along. It is not stored.
    fn progress(&mut self, now: OffsetDateTime, host: &HostName, progress: HostProgress);

    /// Shows that the process was asked to end.
    fn stop_requested(&mut self);
}

/// Drives a rollout until it is idle, or the process is asked twice to end. `start` is the event that
/// names this driver.
pub async fn drive<X: Executor, L: Ledger>(
    executor: &mut X,
    ledger: &mut L,
    start: Event,
) -> Result<State, L::Error> {
    let (state, events) = ledger.read(None)?;
    let mut driver = Driver { executor, ledger, state, events };
    driver.take(&start)?;
    let mut stop_requested = false;
    let mut heartbeat = driver.executor.now() + HEARTBEAT;
    while !driver.state.is_idle() {
        let deadline = driver.state.deadline();
        let until = deadline.map_or(heartbeat, |deadline| deadline.min(heartbeat));
        match driver.executor.next(until).await {
            DriverEvent::Event(event) => driver.take(&event)?,
            DriverEvent::Progress { host, progress } => {
                let now = driver.executor.now();
                driver.ledger.progress(now, &host, progress);
            }
            DriverEvent::StopRequested if stop_requested => break,
            DriverEvent::StopRequested => {
                stop_requested = true;
                driver.ledger.stop_requested();
                let who = driver.state.driver().to_owned();
                driver.take(&Event::Requested {
                    who,
                    request: Request::Interrupt,
                    because: None,
                })?;
            }
            DriverEvent::TimeReached => {}
        }
        let now = driver.executor.now();
        if now >= heartbeat {
            heartbeat = now + HEARTBEAT;
            driver.ledger.renew(now)?;
            driver.catch_up()?;
        }
        if driver.state.deadline().is_some_and(|deadline| deadline <= now) {
            driver.take(&Event::DeadlineReached)?;
        }
    }
    Ok(driver.state)
}

struct Driver<'a, X, L> {
    executor: &'a mut X,
    ledger: &'a mut L,
    state: State,
    events: u64,
}

impl<X: Executor, L: Ledger> Driver<'_, X, L> {
    /// Applies an event, stores it, and then does what follows from it.
    fn take(&mut self, event: &Event) -> Result<(), L::Error> {
        loop {
            let time = self.executor.now();
            let commands = self.state.apply(event.clone(), time);
            let step = Step { time, event, commands: &commands, state: &self.state };
            if self.ledger.append(self.events, &step)? == AppendOutcome::Appended {
                self.events += 1;
                self.carry_out(commands);
                return Ok(());
            }
            self.state = self.ledger.read(Some(self.events))?.0;
            self.catch_up()?;
        }
    }

    /// Does what follows from the events that other processes have appended.
    fn catch_up(&mut self) -> Result<(), L::Error> {
        for (time, event) in self.ledger.events_after(self.events)? {
            let commands = self.state.apply(event, time);
            self.events += 1;
            self.carry_out(commands);
        }
        Ok(())
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            if !matches!(command, Command::Announce(_) | Command::RecordSkipped(_)) {
                self.executor.carry_out(command);
            }
        }
    }
}
