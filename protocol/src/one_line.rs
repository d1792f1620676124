//! Texts that stand in one line: what a parser of TOML says, and names and versions.

/// What the parser says, and of which place: it stands in answers and in tables.
pub(crate) fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let message = with_nearest(message);
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else { return message };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|one| *one != '\n').count() + 1;
    format!("line {line}, column {column}: {message}")
}

/// Of an unknown key, the nearest one of those that are expected: a long list of them helps little.
fn with_nearest(message: String) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next().filter(|_| message.starts_with("unknown field")) else {
        return message;
    };
    let nearest = names.map(|name| (strsim::damerau_levenshtein(unknown, name), name)).min();
    match nearest.filter(|(distance, _)| *distance <= unknown.chars().count().max(3) / 3) {
        Some((_, name)) => format!("unknown key {unknown} (did you mean {name}?)"),
        None => message.replacen("unknown field", "unknown key", 1),
    }
}

/// Whether a text is one line on any screen, and short.
pub(crate) fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}
