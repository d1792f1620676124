//! The proof by echo: the answer carries what the agent was started with.

use serde_json::Value;

use super::Expectation;
use crate::sys::output::printable;

/// Looks at the configured place (RFC 6901) of an answer. The error says what is there instead.
pub(super) fn check(body: &[u8], pointer: &str, expected: &Expectation) -> Result<(), String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| "its body is not JSON".to_owned())?;
    let Some(value) = body.pointer(pointer) else {
        return Err(format!("it has no {pointer}"));
    };
    let Some(text) = value.as_str() else {
        return Err(format!("its {pointer} is not a text"));
    };
    if names(text, expected) {
        return Ok(());
    }
    let shown: String = printable(text.as_bytes()).chars().take(100).collect();
    let hint = if expected.version.as_deref() == Some(text) {
        ", the version of the old release too"
    } else {
        ""
    };
    Err(format!("its {pointer} is {shown:?}{hint}, not that of release {}", expected.digest))
}

fn names(text: &str, expected: &Expectation) -> bool {
    let digest = text == expected.digest.to_string() || text == expected.digest.hex();
    let path = Some(text.trim_end_matches('/')) == expected.path.to_str();
    let version = expected.version.as_deref() == Some(text)
        && !text.is_empty()
        && expected.version != expected.old_version;
    digest || path || version
}
