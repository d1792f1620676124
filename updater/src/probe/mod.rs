//! Whether the *new* release answers.
//!
//! A 200 proves that something is alive, not that the update happened: an old process that would
//! not die answers 200 too. So an answer passes only with a proof of which process gave it, and what cannot
//! be established has not been established.

mod answer;
mod ask;
mod command;
mod connect;
mod drive;
mod echo;
mod http;
mod mistake;
mod owner;
mod place;
mod ready;
mod target;
#[cfg(test)]
mod tests;
mod tls_words;
mod verdict;

pub use answer::{Answer, Expectation, ProbeMistake};
pub use ask::Probe;
pub use drive::{WatchFailure, prove, watch};
pub use ready::Readiness;
pub use target::ProbeError;
pub use verdict::{Next, Plan, Verdict, Watch};
