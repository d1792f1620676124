//! Names that every updater would refuse are refused here already, with the same words.

use std::collections::BTreeMap;

use protocol::{LinkTarget, PATH_PARTS, PathRule, RELEASE_RECORD, ReleasePath};

use crate::interrupt::CancelToken;
use crate::pack::PackError;
use crate::pack::item::Item;

/// Looks at the names and the links of all entries.
pub(super) fn check(items: &BTreeMap<String, Item>, cancel: &CancelToken) -> Result<(), PackError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (text, item) in items {
        cancel.check()?;
        let refused = |rule: PathRule| PackError::refused(text, &rule.to_string());
        let path: ReleasePath = text.parse().map_err(refused)?;
        // A host may take more, and most do not.
        if path.parts().count() > PATH_PARTS {
            return Err(refused(PathRule::TooDeep));
        }
        if let Item::Link(target) = item {
            LinkTarget::parse(target.as_bytes(), &path).map_err(refused)?;
        }
        if path.parts().next() == Some(RELEASE_RECORD) {
            return Err(PackError::refused(text, "the name is reserved on every host"));
        }
        // A directory and what is in it are two names; one of them may be spelled otherwise.
        for (end, _) in text.match_indices('/').chain([(text.len(), "")]) {
            let key = protocol::normalised(&text[..end]);
            if seen.insert(key, &text[..end]).is_some_and(|other| other != &text[..end]) {
                let rule = "names must differ in more than their normalisation";
                return Err(PackError::refused(text, rule));
            }
        }
    }
    Ok(())
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
        undisturbed(|cancel| check(&items.collect(), cancel)).is_err()
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
