//! How a host comes to be one of the fleet, what is changed of it there, and how it leaves.

mod change;
mod enroll;
mod renew;
mod starter;

pub use change::{change, decommission, hold, label, unhold};
pub use enroll::{EnrollError, Enrolled, Enrollment, enroll};
pub use renew::renew;
