//! File names in messages.

/// Bytes of a name that are shown.
const SHOWN_BYTES: usize = 1024;

/// A name for a message: its beginning, on one line, without what a terminal would obey.
pub fn printable_name(name: &[u8]) -> String {
    let show = |character: char| match character {
        '\\' | '\'' | '"' => character.to_string(),
        _ => character.escape_debug().to_string(),
    };
    String::from_utf8_lossy(&name[..name.len().min(SHOWN_BYTES)]).chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_on_one_line() {
        assert_eq!(printable_name(b"a\n\x1b[2J\xff\\"), "a\\n\\u{1b}[2J\u{fffd}\\");
    }
}
