//! `updater enroll`: what `swarm enroll --out-dir` made is put in its place on the host.
//!
//! All of the bundle is looked at before the first file is written. What is in its place already is
//! the operator's, and is never overwritten.

mod bundle;
mod error;
mod guarded;
mod place;
mod service;

pub use error::EnrollError;
pub use place::{Enrolled, Placed, enroll};
pub use service::{Service, ServiceError, start_service};
