//! Names that every updater would refuse are refused here already, with the same words.

use std::collections::BTreeMap;

use protocol::{LinkTarget, PATH_PARTS, PathRule, RELEASE_RECORD, ReleasePath};

use crate::interrupt::CancelToken;
use crate::pack::item::Item;
use crate::pack::{PackError, Refusal};

/// Looks at the names and the links of all entries. `refused` are those that were found bad before: all are
/// told at once.
pub(super) fn check(
    items: &BTreeMap<String, Item>,
    mut refused: Vec<Refusal>,
    cancel: &CancelToken,
) -> Result<(), PackError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (text, item) in items {
        cancel.check()?;
        let ruled = check_one(text, item).map_err(|rule| rule.to_string());
        // A directory and what is in it are two names; one of them may be spelled otherwise.
        let ends = text.match_indices('/').map(|(end, _)| end).chain([text.len()]);
        let other = |end: usize| {
            let key = protocol::normalised(&text[..end]);
            seen.insert(key, &text[..end]).is_some_and(|other| other != &text[..end])
        };
        // Each is looked at: those that follow are compared with all.
        let others = ends.map(other).filter(|other| *other).count();
        let rule = if path_is_reserved(text) {
            Some("the name is reserved on every host".to_owned())
        } else if others > 0 {
            Some("names must differ in more than their normalisation".to_owned())
        } else {
            ruled.err()
        };
        refused.extend(rule.map(|rule| Refusal { path: text.clone(), rule }));
    }
    if refused.is_empty() { Ok(()) } else { Err(PackError::Refused(refused)) }
}

fn check_one(text: &str, item: &Item) -> Result<(), PathRule> {
    let path: ReleasePath = text.parse()?;
    // A host may take more, and most do not.
    if path.parts().count() > PATH_PARTS {
        return Err(PathRule::TooDeep);
    }
    if let Item::Link(target) = item {
        LinkTarget::parse(target.as_bytes(), &path)?;
    }
    Ok(())
}

fn path_is_reserved(text: &str) -> bool {
    text.split('/').next() == Some(RELEASE_RECORD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::undisturbed;
    use crate::pack::item::Stamp;

    fn link(target: &str) -> Item {
        Item::Link(target.to_owned())
    }

    fn fails(entries: &[(&str, Item)]) -> bool {
        let items = entries.iter().map(|(path, item)| ((*path).to_owned(), item.clone()));
        undisturbed(|cancel| check(&items.collect(), Vec::new(), cancel)).is_err()
    }

    #[test]
    fn a_link_may_go_anywhere_inside() {
        for (path, target) in [("a", "b"), ("d/x", "../a"), ("d/e/x", "../../b/c"), ("a", ".")] {
            assert!(!fails(&[(path, link(target))]), "{path} {target}");
        }
        for (path, target) in [("a", "../x"), ("a", "/etc"), ("d/x", "../../x"), ("a", "b/../c")] {
            assert!(fails(&[(path, link(target))]), "{path} {target}");
        }
    }

    #[test]
    fn names_that_an_updater_refuses_are_refused() {
        let file = || Item::File { executable: false, stamp: Stamp::default() };
        let long = "x".repeat(300);
        for bad in [".release.json", ".release.json/x", "a\nb", "a\\b", "a\u{202e}b", &long] {
            assert!(fails(&[(bad, file())]), "{bad}");
        }
        assert!(fails(&[("caf\u{e9}", file()), ("cafe\u{301}", file())]));
        assert!(fails(&[("caf\u{e9}/a", file()), ("cafe\u{301}/b", file())]));
        assert!(!fails(&[("a", file()), ("A", file()), ("b/.release.json", file())]));
    }
}
