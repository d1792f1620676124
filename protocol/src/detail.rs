//! What happened, in words: one line of bounded length wherever it is sent or written, whatever others wrote
//! into it and however much was put together.

use std::borrow::Cow;

use serde::{Serialize as _, Serializer};

/// Characters of one part, which may be what others wrote. It must not fill a host's files or an answer's line.
const PART: usize = 1500;
/// Characters of all parts together, and how many of them are its end.
const WHOLE: usize = 4500;
const END: usize = 1500;
const CUT: char = '…';

/// One part, before anything is put beside it; what is too long ends early.
pub(crate) fn part(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(PART) {
        None => escaped(text).into_owned(),
        Some((end, _)) => format!("{}{CUT}", escaped(&text[..end])),
    }
}

/// A whole detail, as it is sent or written. Its beginning is the cause, and its end says what is left: what
/// is too long loses the middle.
pub(crate) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    whole(text).serialize(serializer)
}

/// The same of one that may be absent.
#[expect(clippy::ref_option, reason = "serde gives a reference to the field as it is")]
pub(crate) fn serialize_option<S: Serializer>(
    text: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text.as_deref().map(whole).serialize(serializer)
}

fn whole(text: &str) -> Cow<'_, str> {
    let text = escaped(text);
    let count = text.chars().count();
    if count <= WHOLE {
        return text;
    }
    let beginning = text.chars().take(WHOLE - END);
    let end = text.chars().skip(count - END);
    Cow::Owned(beginning.chain([CUT]).chain(end).collect())
}

/// In one line: control characters are escaped.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::new();
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use crate::{Code, EventKind, LastTransaction, Problem};

    const LINE: &str = r#"{"format":1,"transaction":"0190a5c2-6f00-7000-8000-000000000000","kind":"update","outcome":"updated","from":null,"to":null,"target":null,"started_at":"2026-01-02T03:04:05Z","ended_at":"2026-01-02T03:04:06Z","caller":"master"}"#;

    /// What is written of it.
    fn detail(written: &impl serde::Serialize) -> String {
        let written = serde_json::to_value(written).unwrap();
        written["detail"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_put_together_is_bounded_where_it_is_written() {
        let mut problem = Problem::new(Code::RolledBack, "it died");
        assert_eq!(detail(&problem), "it died");
        problem.detail += &"; then: it is full\n".repeat(100_000);
        problem.detail += "; no agent runs";
        let line: LastTransaction = serde_json::from_str(LINE).unwrap();
        let line = LastTransaction { detail: Some(problem.detail.clone()), ..line };
        let event = EventKind::Agent { detail: problem.detail.clone() };
        for written in [detail(&problem), detail(&line), detail(&event)] {
            assert_eq!(written.chars().count(), super::WHOLE + 1);
            assert!(written.starts_with("it died; then: ") && written.ends_with("; no agent runs"));
            assert!(!written.contains('\n') && written.contains(super::CUT));
        }
    }
}
