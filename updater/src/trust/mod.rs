//! Which releases may run here, where signatures are asked for: the trusted keys, and the highest
//! counter that was taken under them.
//!
//! What no key has signed is never taken for signed because something could not be read.

mod counter;
mod keys;
#[cfg(test)]
pub(crate) mod testing;

pub use counter::{CounterError, raise_counter, read_counter, reset_counter};
pub use keys::{KeyError, TrustedKeys, UnverifiedManifest, VerifiedManifest};
