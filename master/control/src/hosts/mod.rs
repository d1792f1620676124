//! How a host comes to be one of the fleet, what is changed of it there, and how it leaves.

mod change;
mod enroll;
mod starter;

pub use change::{decommission, label};
pub use enroll::{EnrollError, Enrolled, Enrollment, enroll};
