//! A number that differs between processes and calls. It must never become part of a secret.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

/// For jitter: the standard library seeds each of its hash maps from the operating system.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_differs_from_call_to_call() {
        assert_ne!(random(), random());
    }
}
