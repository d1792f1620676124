//! What the master knows of its hosts, and how a host comes to be one.

mod address;
mod enroll;
mod record;
mod starter;
#[cfg(test)]
pub(crate) mod testing;

pub use address::{Address, AddressError};
pub use enroll::{EnrollError, Enrolled, Enrollment, enroll};
pub use record::{Host, Pinned};
