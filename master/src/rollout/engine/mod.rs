//! The rollout engine: what to do next, and nothing else.
//!
//! [`step`] takes a state and an event to the next state, and says what is to be carried out. It does
//! no I/O, reads no clock and draws no random number: a rollout's state is what [`fold`] makes of
//! its plan and its stored events, on any machine, at any time. A driver carries the commands out
//! (`rollout::drive`); whether the hosts behind it are real is not known here.

mod amount;
mod answer;
mod back;
mod batch;
mod blame;
mod breaker;
mod command;
mod division;
mod event;
mod gate;
mod host;
#[cfg(test)]
mod laws;
mod plan;
mod policy;
mod request;
mod row;
mod rows;
mod state;
mod status;
mod step;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod why;
mod worst_case;

pub use amount::{Amount, AmountError};
pub use blame::{Blame, blame};
pub use breaker::Trip;
pub use command::{Command, HostOrder, Notice};
pub use division::Division;
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
