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
mod form_stream;
mod head;
mod headers;
mod health;
mod history;
mod label;
mod logs;
mod metrics;
mod older_form;
mod operator;
mod order_query;
mod orders;
mod parts;
mod router;
mod trust;
mod upload;

pub use error::ApiError;
use extract::ApiQuery;
pub use head::refusal;
pub use router::{Route, local_router, router, routes};
