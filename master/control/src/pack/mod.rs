//! Makes a release's archive out of a directory: the same tree gives the same bytes everywhere.
//!
//! It never packs a secret that was not named, never leaves something out without saying so, and
//! never holds a file's contents in memory. Everything here blocks: an asynchronous caller puts it
//! on a thread of its own.

mod archive;
mod clutter;
mod error;
mod first_line;
mod git;
#[cfg(test)]
mod git_tests;
mod globs;
mod head;
mod inspect;
mod item;
mod left_out;
mod manifest;
mod names;
mod private_key;
mod program;
#[cfg(test)]
mod reader_tests;
mod secret_content;
mod secrets;
mod sink;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod unguessed;
mod updater_program;
mod walk;

pub use clutter::CLUTTER_NAMES;
pub use error::{PackError, Refusal};
pub use inspect::{inflated, inspect, is_gzip};
pub use left_out::{LeftOut, Why};
pub use manifest::{manifest_in, needs_command, says_it_is_a_release};
pub use secrets::SECRET_NAMES;
pub use tree::{Packed, Packing, pack};
pub use updater_program::{beside_this_program, check_updater, pack_updater};
