//! The nearest name to a mistyped one.

/// The candidate that is most like what was typed, if any is like it at all: at most a third of
/// its letters differ.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = typed.chars().count().max(3) / 3;
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_like_it_is_offered() {
        let names = ["web-1", "web-2", "database"];
        assert_eq!(nearest("wbe-2", names).as_deref(), Some("web-2"));
        assert_eq!(nearest("databse", names).as_deref(), Some("database"));
        assert_eq!(nearest("x", names), None);
    }
}
