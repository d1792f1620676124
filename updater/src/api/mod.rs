//! The HTTP API. A route parses, calls one function of the core, and renders; it decides nothing.

mod agent;
mod announced;
mod blocking;
mod body_deadline;
mod drill;
mod error;
mod events;
mod extract;
mod follow;
mod health;
mod metrics;
mod orders;
mod parts;
mod router;
mod upload;

pub use error::ApiError;
use extract::ApiQuery;
pub use router::{Route, local_router, router, routes};
