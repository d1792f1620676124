//! Making a plan: the hosts are asked, nothing is changed, and the rest is arithmetic.

mod build;
mod estimate;
mod inspect;
mod spread;
#[cfg(test)]
mod tests;
mod way_back;

pub use build::build;
pub use estimate::{Estimate, estimate};
pub(super) use inspect::{Inspected, InspectedHost, SkippedHost};
pub use inspect::{inspect, seen_above};
