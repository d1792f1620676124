//! Numbers on the command line.

/// A whole number, from one on.
pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number from 1 on, such as 20".to_owned()),
    }
}

/// A whole number, from zero on.
pub(super) fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number, such as 1".to_owned())
}
