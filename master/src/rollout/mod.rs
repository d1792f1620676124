//! Rollouts: what is planned, decided, carried out, written down and shown.
//!
//! `plan` asks the hosts and makes the plan; [`engine`] decides; `drive` carries its decisions out
//! over a [`World`] of hosts and keeps them in a [`Ledger`]; `desk` is where rollouts are begun,
//! answered and gone on with. Every update and every rollback, of one host too, goes this way.
//!
//! Everything that happens is in the store before anybody is shown it and before anything follows
//! from it, and no host is ever reported as something that nobody saw.

mod archives;
mod course;
mod desk;
mod drive;
pub mod engine;
mod error;
mod frame;
mod history;
mod interrupt;
mod ledger;
mod own;
mod plan;
mod process;
mod release_names;
mod row;
mod source;
mod stand;
mod summary;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod wish;
mod world;

pub use archives::{Archives, Sources};
pub use desk::Desk;
pub use drive::{BEAT, Happening, Kept, Ledger, Step, World, drive};
pub use error::RolloutError;
pub use frame::frame;
pub use interrupt::Interrupt;
pub use plan::{Estimate, build, estimate, inspect};
pub use release_names::ReleaseNames;
pub use source::{Prepared, Source, SourceError, own_archive, resolve};
pub use stand::{Stand, stand};
pub use summary::Summary;
pub use wish::{Goal, Wish};
pub use world::Workers;
