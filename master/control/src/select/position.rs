//! `[0]`, `[-1]`, `[0:2]`, `[2:]` and `[:2]` behind a term: some of the hosts that it matches.

/// Places in the list of what a term matches, counted from 0; a negative one from the end. As
/// Ansible has it, the end of a range belongs to it, and a range may reach over the list's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    At(isize),
    /// From here to there, both included.
    Range(usize, usize),
}

impl Position {
    /// Splits a term from its position. Only a number or a range at the very end is one: `web-[a-c]`
    /// and `web-[13]*` are globs.
    pub(super) fn split(term: &str) -> (&str, Option<Self>) {
        let inside = |term: &'_ str| {
            let (rest, inside) = term.strip_suffix(']')?.rsplit_once('[')?;
            Some((rest.len(), Self::parse(inside)?))
        };
        match inside(term) {
            Some((end, position)) if end > 0 => (&term[..end], Some(position)),
            _ => (term, None),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let place = |text: &str, default| match text {
            "" => Some(default),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        match text.split_once(':') {
            None => text.parse().ok().map(Self::At).filter(|_| !text.starts_with('+')),
            Some(("", "")) => None,
            Some((first, last)) => Some(Self::Range(place(first, 0)?, place(last, usize::MAX)?)),
        }
    }

    /// The part of a list that is meant; nothing, where the list is too short.
    pub(super) fn of<T>(self, all: &[T]) -> &[T] {
        let (first, last) = match self {
            Self::At(place) if place < 0 => match all.len().checked_add_signed(place) {
                Some(place) => (place, place),
                None => return &[],
            },
            Self::At(place) => (place.unsigned_abs(), place.unsigned_abs()),
            Self::Range(first, last) => (first, last),
        };
        let end = last.saturating_add(1).min(all.len());
        all.get(first..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_number_or_a_range_at_the_end() {
        for (term, expected) in [
            ("web[0]", ("web", Some(Position::At(0)))),
            ("web*[-1]", ("web*", Some(Position::At(-1)))),
            ("role=web[1:2]", ("role=web", Some(Position::Range(1, 2)))),
            ("web[1:]", ("web", Some(Position::Range(1, usize::MAX)))),
            ("web[:3]", ("web", Some(Position::Range(0, 3)))),
            ("web-[ab][0]", ("web-[ab]", Some(Position::At(0)))),
        ] {
            assert_eq!(Position::split(term), expected, "{term}");
        }
        let globs = ["web", "web-[ab]", "web-[1-3]", "web-[13]*", "web[:]", "web[+1]", "[0]"];
        for glob in globs.into_iter().chain(["web[-1:2]", "web[99999999999999999999]"]) {
            assert_eq!(Position::split(glob), (glob, None), "{glob}");
        }
    }

    #[test]
    fn places_are_counted_as_ansible_counts_them() {
        let list = ["cobweb", "webbing", "weber"];
        for (position, expected) in [
            (Position::At(0), &["cobweb"][..]),
            (Position::At(-1), &["weber"]),
            (Position::At(-3), &["cobweb"]),
            (Position::At(-4), &[]),
            (Position::At(3), &[]),
            (Position::Range(0, 2), &["cobweb", "webbing", "weber"]),
            (Position::Range(1, 2), &["webbing", "weber"]),
            (Position::Range(1, usize::MAX), &["webbing", "weber"]),
            (Position::Range(0, 9), &["cobweb", "webbing", "weber"]),
            (Position::Range(2, 1), &[]),
            (Position::Range(9, 10), &[]),
            (Position::At(isize::MIN), &[]),
        ] {
            assert_eq!(position.of(&list), expected, "{position:?}");
        }
    }
}
