//! The rollout engine: what to do next, and nothing else.
//!
//! [`step`] takes a state and an event to the next state, and says what is to be carried out. It does
//! no I/O, reads no clock and draws no random number: a rollout's state is what [`fold`] makes of
//! its plan and its stored events, on any machine, at any time. [`drive`] has the commands
//! carried out by an [`Executor`] and stores every step in a [`Ledger`]; whether those are real is not
//! known here. [`simulate`] has ones that are made up.
//!
//! It must never depend on a runtime, a database or a clock.

mod amount;
mod apply_request;
mod approval;
mod batch;
mod batch_ranges;
mod blame;
mod breaker;
mod command;
mod describe;
mod driver;
mod event;
mod host_check;
mod host_ended;
mod host_row;
mod host_state;
mod notice;
mod plan;
mod policy;
mod request;
mod result_code;
mod rollback;
mod rollout_result;
pub mod simulate;
mod state;
mod status;
mod step;
mod summary;
mod transition;
mod words;
mod worst_case;

pub use amount::{Amount, AmountError};
pub use batch_ranges::BatchRanges;
pub use blame::{Blame, blame};
pub use breaker::Trip;
pub use command::{Command, HostOrder};
pub use describe::{describe_host, describe_rollout};
pub use driver::{
    AppendOutcome, DriverEvent, Executor, HEARTBEAT, HostProgress, Ledger, Step, drive,
};
pub use event::{AppReport, Event, HostReport, Observation};
pub use host_check::is_left_out;
pub use host_check::no_space_detail;
pub use host_row::HostResult;
pub use host_state::{HostActivity, HostState};
pub use notice::{HostStep, Notice, NoticeBody, QuarantineScope, Question, UpdatingSelf};
pub use plan::{Action, Batch, Plan, PlannedHost};
pub use policy::{Approve, Deadlines, OnTrip, Policy};
pub use request::{Request, RequestError};
pub use result_code::{MasterCode, ResultCode};
pub use rollout_result::RolloutResult;
pub use state::State;
pub use status::{Activity, Gate, Pause, Status};
pub use step::{fold, step};
pub use summary::{Urgency, by_urgency, count_hosts, host_results};
pub use words::outcome_word;
pub use worst_case::{WorstCase, worst_case};
