//! Text from elsewhere, made safe for a terminal.

use std::fmt::Write as _;

/// One line of text as it may be shown: control characters (escape sequences begin with one), line
/// and paragraph separators and characters that turn the direction of writing are shown as
/// `\u{…}`, and so are a line's ends. What a worker, its build or its agent said goes through here
/// before it is printed.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push(' '),
            _ if is_harmful(character) => {
                let _infallible = write!(shown, "{}", character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// JSON, as it may be shown: what [`plain`] would not show as it is can only stand within its
/// strings, and is escaped there (RFC 8259, section 7). A program reads the same.
pub fn plain_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_harmful(character) {
            // All of them are of the basic plane.
            let _infallible = write!(shown, "\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Controls (C0, DEL, C1), separators, marks of direction (UAX 9) and the byte order mark.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "web-1 is fine", "größer 漢字 🦀", "a\\b"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn json_says_the_same_and_moves_no_terminal() {
        let said =
            serde_json::json!({"a\u{9b}": ["\u{1b}[1m\u{7f}", "\u{202e}\u{feff}", "größer 🦀"]});
        let shown = plain_json(&serde_json::to_string_pretty(&said).unwrap());
        assert!(!shown.chars().any(|character| character != '\n' && is_harmful(character)));
        assert!(shown.contains("größer 🦀"), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), said);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "\\u{1b}[31mred\\u{1b}[0m");
        assert_eq!(plain("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(plain("over\rwritten\nnext"), "over\\rwritten\\nnext");
        assert_eq!(plain("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(plain("abc\u{202e}def"), "abc\\u{202e}def");
    }
}
