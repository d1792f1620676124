//! An error and what caused it, in one line.

use std::error::Error;
use std::iter::successors;

/// What caused an error: its source, then that one's, to the last.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |&error| error.source())
}

/// The message of an error and of each of its causes, joined by `: `.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
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

    #[test]
    fn causes_follow_in_their_order() {
        let inner = std::io::Error::other("no such file");
        assert_eq!(failed_to(&Outer(inner)), "failed to start the updater: no such file");
    }
}
