//! An error and what caused it, in one line.

use std::error::Error;
use std::iter::successors;

/// What caused an error: its source, then that one's, to the last.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&error| error.source())
}

/// The message of an error and of each of its causes, joined by `: `. What a library has in its message and gives
/// as its cause besides stands there once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut messages: Vec<String> = Vec::new();
    for error in std::iter::once(error).chain(causes(error)) {
        let message = without_address(&error.to_string()).to_owned();
        if !messages.last().is_some_and(|before| before.ends_with(&message)) {
            messages.push(message);
        }
    }
    messages.join(": ")
}

/// The message without the address of a page at its end: libraries name those of their own manual,
/// which says nothing to an operator.
fn without_address(message: &str) -> &str {
    message.split_once(": https://docs.rs/").map_or(message, |(message, _)| message)
}

/// What an error and its causes kept from being done, as a sentence. Messages are fragments that fit
/// after these two words.
pub fn failed_to(error: &(dyn Error + 'static)) -> String {
    format!("failed to {}", chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("start the updater")]
    struct Outer(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("I/O error: {0}")]
    struct Repeating(#[source] std::io::Error);

    #[test]
    fn a_cause_that_is_in_the_message_stands_there_once() {
        let repeating = Repeating(std::io::Error::from_raw_os_error(111));
        assert_eq!(chain(&repeating), "I/O error: Connection refused (os error 111)");
    }

    #[test]
    fn causes_follow_in_their_order() {
        let inner = std::io::Error::other("no such file");
        assert_eq!(failed_to(&Outer(inner)), "failed to start the updater: no such file");
        let inner = std::io::Error::other("it is gone: https://docs.rs/rustls/latest/#eof");
        assert_eq!(failed_to(&Outer(inner)), "failed to start the updater: it is gone");
    }
}
