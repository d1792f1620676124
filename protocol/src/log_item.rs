//! The answer to `GET /logs`: what a program has printed.

use serde::{Deserialize, Serialize};

/// The most lines of the past that one question may ask for.
pub const MOST_LOG_LINES: usize = 10_000;

/// Lines of the past that are sent where the question does not say how many.
pub const LOG_LINES: usize = 100;

/// One line of the answer, as JSON. A newer updater may send kinds that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogItem {
    /// A line that the program has printed, with its control characters escaped.
    Line(String),
    /// What the updater says in between: that the program was started again, that lines are missing.
    Note(String),
    /// Nothing was printed for a while; the host is there.
    Quiet,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_one_line_of_json() {
        let line = serde_json::to_string(&LogItem::Line("a\tb".to_owned())).unwrap();
        assert_eq!(line, r#"{"line":"a\tb"}"#);
        let note = serde_json::to_string(&LogItem::Note("started again".to_owned())).unwrap();
        assert_eq!(note, r#"{"note":"started again"}"#);
    }
}
