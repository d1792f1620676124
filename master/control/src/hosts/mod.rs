//! How a host comes to be one of the fleet.

mod enroll;
mod starter;

pub use enroll::{EnrollError, Enrolled, Enrollment, enroll};
