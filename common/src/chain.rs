//! An error and what caused it, in one line.

use std::error::Error;

/// The message of an error and of each of its sources, joined by `: `.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("start the updater")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_follow_in_their_order() {
        let inner = std::io::Error::other("no such file");
        assert_eq!(chain(&Outer(inner)), "start the updater: no such file");
    }
}
