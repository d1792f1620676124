//! The signs before a term of a pattern, and what its hosts do to those that are selected so far. A
//! new sign is a variant here; a new way to compare is in `condition`.

use std::collections::HashSet;

use strum::VariantArray;

/// What stands before a term. A pattern applies them in the order of these variants, in whatever order
/// its terms are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(super) enum SetOperator {
    /// No sign: the term's hosts are selected too.
    Union,
    /// `&`: only the term's hosts stay selected.
    Intersection,
    /// `!`: the term's hosts are selected no more.
    Exclusion,
}

impl SetOperator {
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
        for operator in SetOperator::VARIANTS {
            let sign = operator.sign().map(String::from).unwrap_or_default();
            assert_eq!(SetOperator::split(&format!("{sign}web-1")), (*operator, "web-1"));
        }
        assert_eq!(SetOperator::split("!&x"), (SetOperator::Exclusion, "&x"));
        assert!(SetOperator::is_sign('&') && !SetOperator::is_sign('~'));
    }

    #[test]
    fn what_is_selected_keeps_its_order_and_is_there_once() {
        let after = |operator: SetOperator| {
            let mut selected = vec![3, 1, 2];
            operator.apply(&mut selected, vec![5, 2, 5, 3]);
            selected
        };
        assert_eq!(after(SetOperator::Union), [3, 1, 2, 5]);
        assert_eq!(after(SetOperator::Intersection), [3, 2]);
        assert_eq!(after(SetOperator::Exclusion), [1]);
    }
}
