//! The HTTP API. A route parses, calls one function of the core, and renders; it decides nothing.

mod agent;
mod archive;
mod asked;
mod caller;
mod drill;
mod error;
mod events;
mod follow;
mod health;
mod metrics;
mod orders;
mod parts;
mod patience;
mod router;

pub(crate) use asked::Asked;
pub use caller::{Audience, Caller, Who};
pub use error::ApiError;
pub(crate) use health::app_releases;
pub use router::{Route, local_router, router, routes};
