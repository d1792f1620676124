//! JSON from a host. No text that comes out of here is longer than a person would read.

use serde_json::Value;

/// Characters that are kept of each text.
pub(super) const MOST_CHARACTERS: usize = 2000;
/// Characters that a row shows of a value that was not understood.
const SHOWN_CHARACTERS: usize = 300;

/// Reads JSON. Its texts are bounded here, once, for all that is made of them.
pub(super) fn parse(json: &[u8]) -> Option<Value> {
    let mut value = serde_json::from_slice(json).ok()?;
    shorten(&mut value);
    Some(value)
}

/// The parser has bounded how deep a value is.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = clip(text, MOST_CHARACTERS),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Text of any length and kind, short enough for a row.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    clip(text.trim(), SHOWN_CHARACTERS)
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
