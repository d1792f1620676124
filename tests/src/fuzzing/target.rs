//! The targets, and what the fuzzer begins with.

use super::{archive, replies, texts};

#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, which its directory in `tests/fuzz/crashes` has too.
    pub name: &'static str,
    /// Gives it one input.
    pub run: fn(&[u8]),
    /// Makes the inputs that the fuzzer begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: &[Target] = &[
    Target { name: "archive", run: archive::archive, seeds: archive::archives },
    Target { name: "tar", run: archive::tar, seeds: archive::tars },
    Target { name: "manifest", run: texts::manifest, seeds: texts::manifests },
    Target { name: "signed", run: texts::signed, seeds: texts::signatures },
    Target { name: "config", run: texts::config, seeds: texts::configs },
    Target { name: "pattern", run: texts::pattern, seeds: texts::patterns },
    Target { name: "api", run: replies::api, seeds: replies::bodies },
    Target { name: "events", run: replies::events, seeds: replies::streams },
];

/// Gives the target of this name one input.
///
/// # Panics
/// When there is no such target, and whenever the target has found a fault.
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(data),
        None => panic!("there is no target {name}"),
    }
}
