//! What is fuzzed: everything that reads bytes which nobody vouches for.
//!
//! Each target is a function that must neither panic nor hang, whatever it is given. The fuzzer
//! (`tests/fuzz`) calls it with what it makes up, `tests/tests/system/fuzzed.rs` with what was found.

mod archive;
mod replies;
mod target;
mod texts;

pub use target::{TARGETS, Target, run};
