//! An update or a rollback of many hosts, and what each of them came to.
//!
//! All hosts go at once, as many at a time as was asked for. Gates, batches, approval and the
//! breaker will be an engine in the place of `drive`; what one host goes through (`host`), what
//! is written down (`record`) and what is shown (`view`) stays.
//!
//! Everything that happens is in the store before anybody is shown it, and no host is ever
//! reported as something that nobody saw.

mod drive;
pub mod engine;
mod error;
mod goal;
mod host;
mod interrupt;
mod own;
mod plan;
mod record;
mod release_names;
mod row;
mod run;
mod source;
#[cfg(test)]
mod testing;
mod told;
mod view;

pub use error::RolloutError;
pub use goal::{Goal, Order};
pub use interrupt::Interrupt;
pub use plan::{Action, PlannedHost, plan};
pub use release_names::ReleaseNames;
pub use row::{Row, Summary};
pub use run::{Surroundings, run};
pub use source::{Prepared, Source, SourceError, own_archive, resolve};
