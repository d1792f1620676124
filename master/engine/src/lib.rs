//! The rollout engine: what to do next, and nothing else.
//!
//! [`step`] takes a state and an event to the next state, and says what is to be carried out. It does
//! no I/O, reads no clock and draws no random number: a rollout's state is what [`fold`] makes of
//! its plan and its stored events, on any machine, at any time. [`drive`] carries the commands out over
//! a [`World`] of hosts and keeps every step in a [`Ledger`]; whether those are real is not known here.
//! [`simulate`] has ones that are made up.
//!
//! It must never depend on a runtime, a database or a clock.

mod amount;
mod answer;
mod back;
mod batch;
mod blame;
mod breaker;
mod command;
mod division;
mod drive;
mod event;
mod gate;
mod host;
mod plan;
mod policy;
mod request;
mod row;
mod rows;
pub mod simulate;
mod state;
mod status;
mod step;
mod why;
mod worst_case;

pub use amount::{Amount, AmountError};
pub use blame::{Blame, blame};
pub use breaker::Trip;
pub use command::{Command, HostOrder, Notice};
pub use division::Division;
pub use drive::{AppendOutcome, DriverEvent, HEARTBEAT, Ledger, Step, World, drive};
pub use event::{AppReport, Event, HostReport, Observation};
pub use gate::no_room;
pub use host::{Host, HostStatus};
pub use plan::{Action, Batch, Plan, PlannedHost};
pub use policy::{Approve, Deadlines, OnTrip, Policy};
pub use request::{Refusal, Request};
pub use row::Row;
pub use rows::{Weight, by_weight, counts, rows};
pub use state::State;
pub use status::{Gate, Pause, Stage, Status};
pub use step::{fold, step};
pub use why::{waits_for, why};
pub use worst_case::{WorstCase, worst_case};
