//! The operators of a pattern: the sign before a term, and what its hosts do to those that are
//! selected so far. A new operator is a variant here, with its sign and its effect.

use std::collections::HashSet;

use strum::VariantArray;

/// What stands before a term. A pattern applies them in the order of these variants, in whatever order
/// its terms are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum Operator {
    /// No sign: the term's hosts are selected too.
    Union,
    /// `&`: only the term's hosts stay selected.
    Intersection,
    /// `!`: the term's hosts are selected no more.
    Exclusion,
}

impl Operator {
    const fn sign(self) -> Option<char> {
        match self {
            Self::Union => None,
            Self::Intersection => Some('&'),
            Self::Exclusion => Some('!'),
        }
    }

    /// Whether a character is the sign of one of them.
    pub(super) fn is_sign(character: char) -> bool {
        Self::VARIANTS.iter().any(|operator| operator.sign() == Some(character))
    }

    /// The operator of a term as it is written, and the term.
    pub(super) fn split(text: &str) -> (Self, &str) {
        let signed = |operator: &Self| {
            let sign = operator.sign()?;
            text.strip_prefix(sign).map(|term| (*operator, term))
        };
        Self::VARIANTS.iter().find_map(signed).unwrap_or((Self::Union, text))
    }

    /// Changes what is selected by what a term has found. The order in which hosts were selected
    /// stays, and each is selected once.
    pub(super) fn apply(self, selected: &mut Vec<usize>, found: Vec<usize>) {
        match self {
            Self::Union => {
                let mut known: HashSet<_> = selected.iter().copied().collect();
                selected.extend(found.into_iter().filter(|place| known.insert(*place)));
            }
            Self::Intersection => {
                let found: HashSet<_> = found.into_iter().collect();
                selected.retain(|place| found.contains(place));
            }
            Self::Exclusion => {
                let found: HashSet<_> = found.into_iter().collect();
                selected.retain(|place| !found.contains(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_has_one_sign_or_none() {
        for operator in Operator::VARIANTS {
            let sign = operator.sign().map(String::from).unwrap_or_default();
            assert_eq!(Operator::split(&format!("{sign}web-1")), (*operator, "web-1"));
        }
        assert_eq!(Operator::split("!&x"), (Operator::Exclusion, "&x"));
        assert!(Operator::is_sign('&') && !Operator::is_sign('~'));
    }

    #[test]
    fn what_is_selected_keeps_its_order_and_is_there_once() {
        let after = |operator: Operator| {
            let mut selected = vec![3, 1, 2];
            operator.apply(&mut selected, vec![5, 2, 5, 3]);
            selected
        };
        assert_eq!(after(Operator::Union), [3, 1, 2, 5]);
        assert_eq!(after(Operator::Intersection), [3, 2]);
        assert_eq!(after(Operator::Exclusion), [1]);
    }
}
