//! The HTTP API. A route parses, calls one function of the core, and renders; it decides nothing.

mod agent;
mod announced;
mod body_deadline;
mod caller;
mod drill;
mod error;
mod events;
mod follow;
mod health;
mod metrics;
mod orders;
mod parts;
mod query;
mod router;
mod upload;

pub use caller::{Audience, Caller, Who};
pub use error::ApiError;
pub(crate) use health::app_releases;
pub(crate) use query::ApiQuery;
pub use router::{Route, local_router, router, routes};
