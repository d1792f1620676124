//! The sender's label for a release. It comes back in every answer and on many screens, so it is one
//! plain word or line.

use crate::api::ApiError;

/// Characters of a label.
const MOST_CHARACTERS: usize = 128;

/// Why a label is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum LabelError {
    #[error("the label sha has {0} characters; {MOST_CHARACTERS} is the most")]
    Long(usize),
    #[error("the label sha must be printable and in one line: {0:?}")]
    Unprintable(String),
}

impl From<LabelError> for ApiError {
    fn from(error: LabelError) -> Self {
        Self::bad_request(error.to_string())
    }
}

/// Checks a label. An empty one, as clients of the older form send it, is none.
pub(super) fn label(text: String) -> Result<Option<String>, LabelError> {
    match text.chars().count() {
        0 => Ok(None),
        count if count > MOST_CHARACTERS => Err(LabelError::Long(count)),
        _ if !text.chars().all(is_plain) => Err(LabelError::Unprintable(text)),
        _ => Ok(Some(text)),
    }
}

/// Neither a control character, nor an end of a line, nor what changes the direction of a text or
/// is not seen in it.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_plain_line() {
        for good in ["3f1c2ab", "v1.2 (dirty)", "größer"] {
            assert_eq!(label(good.to_owned()).unwrap().as_deref(), Some(good));
        }
        assert_eq!(label(String::new()).unwrap(), None);
        let long = "x".repeat(129);
        for bad in ["a\u{1b}[2J", "a\nb", "a\rb", "a\u{202e}b", "a\u{2028}b", "\0", &long] {
            assert!(label(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
