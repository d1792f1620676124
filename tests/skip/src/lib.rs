//! How a test says that it cannot be run on this machine, so that it is counted and not taken for one
//! that has shown something.
//!
//! It must never decide that by itself: the test knows what it needs.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Names the file that `tests/run.sh` counts the skipped tests by.
const LIST: &str = "SKIPPED_TESTS";

/// Says that the calling test has shown nothing here, and why; the test then returns.
#[expect(clippy::print_stderr, reason = "a test's own output")]
///
/// # Panics
///
/// Where the skip cannot be counted: an uncounted one would look like a test that ran.
pub fn skip(reason: &str) {
    let test = name_of(std::env::args());
    eprintln!("SKIPPED {test}: {reason}");
    let Some(list) = std::env::var_os(LIST) else { return };
    let written = append(Path::new(&list), &test, reason);
    assert!(written.is_ok(), "failed to count {test} as skipped: {written:?}");
}

/// Skips the calling test unless it is run by root. Whether it was skipped.
pub fn skipped_without_root() -> bool {
    let skipped = !rustix::process::geteuid().is_root();
    if skipped {
        skip("this takes root");
    }
    skipped
}

/// The test that a process was started for (`PROGRAM … --exact NAME`), or else that runs in this
/// thread.
fn name_of(arguments: impl Iterator<Item = String>) -> String {
    let exact = arguments.skip_while(|argument| argument != "--exact").nth(1);
    let thread = || std::thread::current().name().map(str::to_owned);
    exact.or_else(thread).unwrap_or_else(|| "a test".to_owned())
}

/// Adds a line in one write: other tests write to the same file.
fn append(list: &Path, test: &str, reason: &str) -> io::Result<()> {
    let line = format!("{reason}\t{test}\n");
    File::options().append(true).create(true).open(list)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_as_it_was_asked_for() {
        let words = ["program", "--nocapture", "--exact", "module::it_works", "--quiet"];
        assert_eq!(name_of(words.map(str::to_owned).into_iter()), "module::it_works");
        let unnamed = std::thread::spawn(|| name_of(std::iter::empty())).join();
        assert_eq!(unnamed.unwrap(), "a test");
    }

    #[test]
    fn every_skipped_test_is_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let list = directory.path().join("list");
        for test in ["one", "two"] {
            append(&list, test, "this takes root").unwrap();
        }
        let text = std::fs::read_to_string(&list).unwrap();
        assert_eq!(text, "this takes root\tone\nthis takes root\ttwo\n");
    }
}
