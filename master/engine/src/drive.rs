//! The driver: it carries out what the engine decides, and tells it what came of it.
//!
//! It does nothing before the event that it follows from is kept. Hosts, clock and store are behind
//! [`World`] and [`Ledger`], so that the same driver drives real and simulated fleets.

use std::future::Future;
use std::time::Duration;

use protocol::HostName;
use time::OffsetDateTime;

use crate::{Command, Event, Request, State};

/// How often the ledger is looked at for what others ask, and the lease is renewed.
pub const HEARTBEAT: Duration = Duration::from_millis(500);

/// The fleet, and the clock that it lives by.
pub trait World {
    fn now(&self) -> OffsetDateTime;

    /// Begins to carry a command out, and does not wait for it. `Tell` and `Quarantine` are none of
    /// its business.
    fn carry_out(&mut self, command: Command);

    /// The next thing that happens, or [`DriverEvent::Time`] when it is so late.
    fn next(&mut self, until: OffsetDateTime) -> impl Future<Output = DriverEvent>;
}

/// Something that happens while a rollout is driven.
#[derive(Debug, Clone, PartialEq)]
pub enum DriverEvent {
    /// An event of the rollout.
    Event(Event),
    /// Bytes went to a host. Nothing follows from it.
    Progress { host: HostName, bytes: u64, total: u64 },
    /// The process is asked to end: once to start no host any more, twice to leave.
    Stop,
    /// The time that was waited for has come.
    Time,
}

/// One step, as it is kept.
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
    /// It is kept, and whoever watches has been told.
    Yes,
    /// Others have added something in the meantime: it has to be thought over.
    Behind,
}

/// Where a rollout is kept.
pub trait Ledger {
    /// Why an event could not be read or kept.
    type Error;

    /// The state after the first `events` events, or after all of them, and how many they were.
    fn read(&mut self, events: Option<u64>) -> Result<(State, u64), Self::Error>;

    /// The events after the first `events`.
    fn since(&mut self, events: u64) -> Result<Vec<(OffsetDateTime, Event)>, Self::Error>;

    /// Keeps a step, after so many events.
    fn keep(&mut self, after: u64, step: &Step<'_>) -> Result<AppendOutcome, Self::Error>;

    /// Says that the driver lives. Fails if somebody else drives now.
    fn renew(&mut self, now: OffsetDateTime) -> Result<(), Self::Error>;

    /// Bytes went to a host: for whoever watches. It is not kept.
    fn progress(&mut self, now: OffsetDateTime, host: &HostName, bytes: u64, total: u64);

    /// The process was asked to end: for whoever watches.
    fn stopping(&mut self);
}

/// Drives a rollout until it rests: it is over, or waits for somebody, or was left. `begins` is the
/// event that says who does.
pub async fn drive<W: World, L: Ledger>(
    world: &mut W,
    ledger: &mut L,
    begins: Event,
) -> Result<State, L::Error> {
    let (state, events) = ledger.read(None)?;
    let mut driver = Driver { world, ledger, state, events };
    driver.take(&begins)?;
    let mut stopped = false;
    let mut beat = driver.world.now() + HEARTBEAT;
    while !driver.state.rests() {
        let until = driver.state.deadline().map_or(beat, |deadline| deadline.min(beat));
        match driver.world.next(until).await {
            DriverEvent::Event(event) => driver.take(&event)?,
            DriverEvent::Progress { host, bytes, total } => {
                let now = driver.world.now();
                driver.ledger.progress(now, &host, bytes, total);
            }
            DriverEvent::Stop if stopped => break,
            DriverEvent::Stop => {
                stopped = true;
                driver.ledger.stopping();
                let who = driver.state.driver().to_owned();
                driver.take(&Event::Asked { who, request: Request::Interrupt })?;
            }
            DriverEvent::Time => {}
        }
        let now = driver.world.now();
        if now >= beat {
            beat = now + HEARTBEAT;
            driver.ledger.renew(now)?;
            driver.catch_up()?;
        }
        if driver.state.deadline().is_some_and(|deadline| deadline <= now) {
            driver.take(&Event::Tick)?;
        }
    }
    Ok(driver.state)
}

struct Driver<'a, W, L> {
    world: &'a mut W,
    ledger: &'a mut L,
    state: State,
    events: u64,
}

impl<W: World, L: Ledger> Driver<'_, W, L> {
    /// Thinks an event over, keeps it, and then does what follows from it.
    fn take(&mut self, event: &Event) -> Result<(), L::Error> {
        loop {
            let time = self.world.now();
            let commands = self.state.take(event.clone(), time);
            let step = Step { time, event, commands: &commands, state: &self.state };
            if self.ledger.keep(self.events, &step)? == AppendOutcome::Yes {
                self.events += 1;
                self.carry_out(commands);
                return Ok(());
            }
            self.state = self.ledger.read(Some(self.events))?.0;
            self.catch_up()?;
        }
    }

    /// Does what follows from what others have asked for.
    fn catch_up(&mut self) -> Result<(), L::Error> {
        for (time, event) in self.ledger.since(self.events)? {
            let commands = self.state.take(event, time);
            self.events += 1;
            self.carry_out(commands);
        }
        Ok(())
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            if !matches!(command, Command::Tell(_) | Command::Quarantine { .. }) {
                self.world.carry_out(command);
            }
        }
    }
}
