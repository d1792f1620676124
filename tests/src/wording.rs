//! What an output says, without what differs from run to run, so that its wording can be pinned by a
//! snapshot.

use std::sync::LazyLock;

use regex::Regex;

/// What differs, and what stands for it. Earlier ones first: a digest has a date's digits in it. All of it
/// is ASCII.
const DIFFERENT: &[(&str, &str)] = &[
    (r"/tmp/fleet-\w+", "SANDBOX"),
    (r"/tmp/\.tmp\w+", "TEMPORARY"),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\b[0-9a-f]{64}\b", "HEX"),
    (r"\bstore/[0-9a-f]{12}\b", "store/HEX"),
    (r"\b[0-9a-f]{8}\b", "SHORT"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME"),
    (r"\b\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b127\.\d+\.\d+\.\d+(:\d+)?", "ADDRESS"),
    (r"\b(in|after|took) \d+(\.\d+)? ?(ms|s)\b", "$1 DURATION"),
    (r"\b\d+ ms\b", "DURATION"),
    (r"\b\d+\.\d s\b", "DURATION"),
    (r"\bprocess \d+", "process PID"),
    (r"\b[\w-]+( \(as [\w-]+\))? started it", "USER started it"),
    (r", by [\w-]+( \(as [\w-]+\))?:", ", by USER:"),
    (r"\b\d+(\.\d+)? (B|KiB|MiB|GiB|bytes)\b", "SIZE"),
    // How wide a column is depends on what stands in it.
    (r" {2,}", "  "),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let pattern = |(pattern, placeholder): &(&str, &'static str)| {
        Regex::new(&format!("(?-u){pattern}")).ok().map(|pattern| (pattern, *placeholder))
    };
    DIFFERENT.iter().filter_map(pattern).collect()
});

/// The text, with a word in capitals for each thing that differs from run to run.
pub fn wording(text: &str) -> String {
    let temporary = std::env::temp_dir().display().to_string();
    let text = text.trim_end().replace(&temporary, "/tmp");
    PATTERNS.iter().fold(text, |text, (pattern, placeholder)| {
        pattern.replace_all(&text, *placeholder).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(PATTERNS.len(), DIFFERENT.len());
    }

    #[test]
    fn what_differs_is_a_word_in_capitals() {
        let text = "agent: update to 01234567 ended after 1.25s at 127.64.1.2:4000\n";
        assert_eq!(wording(text), "agent: update to SHORT ended after DURATION at ADDRESS");
    }
}
