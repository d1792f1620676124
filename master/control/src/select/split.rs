//! Where a pattern's terms begin and end.

use crate::select::set_operator::SetOperator;

/// The terms between `:` and `,`, as they were written. Neither separates inside a term's
/// brackets: `[0:2]` is a range, and `~web-(\d{1,2})` a regular expression. A bracket that is
/// never closed takes the rest with it, so that the term which has it is the one that is refused.
pub(super) fn split(pattern: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut rest = pattern;
    loop {
        let end = end_of_term(rest);
        terms.push(&rest[..end]);
        match rest[end..].chars().next() {
            // Both separators are one byte long.
            Some(_) => rest = &rest[end + 1..],
            None => return terms,
        }
    }
}

fn end_of_term(text: &str) -> usize {
    let term = text.trim_start().trim_start_matches(SetOperator::is_sign).trim_start();
    let brackets: &[(char, char)] = match term.chars().next() {
        Some('~') => &[('(', ')'), ('[', ']'), ('{', '}')],
        Some('@') => &[],
        _ => &[('[', ']')],
    };
    let is_regex = term.starts_with('~');
    let mut open: Vec<char> = Vec::new();
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match character {
            '\\' if is_regex => escaped = true,
            ':' | ',' if open.is_empty() => return index,
            _ if open.last() == Some(&character) => drop(open.pop()),
            // In a set of characters, every other bracket is one of them.
            _ if open.last() == Some(&']') => {}
            _ => open.extend(brackets.iter().find(|(b, _)| *b == character).map(|(_, end)| *end)),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_end_at_separators_outside_of_brackets() {
        for (pattern, terms) in [
            ("", &[""][..]),
            ("a:b,&c", &["a", "b", "&c"]),
            ("a,", &["a", ""]),
            ("web*[0:2]:db", &["web*[0:2]", "db"]),
            (r"~web-(a|b:c)\d{1,2},!~[(:]x:db", &[r"~web-(a|b:c)\d{1,2}", "!~[(:]x", "db"]),
            (r"~a\(:b", &[r"~a\(", "b"]),
            ("@hosts[1.txt:b", &["@hosts[1.txt", "b"]),
            ("web-[1,db", &["web-[1,db"]),
        ] {
            assert_eq!(split(pattern), terms, "{pattern}");
        }
    }
}
