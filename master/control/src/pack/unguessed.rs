//! What is said of a tree that no host knows how to build, before a byte of it is sent.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::{BuildSection, unguessed_build_file, unguessed_words};

use super::PackError;
use super::head::head;
use super::item::Item;

const SETUP_CFG: &str = "setup.cfg";

/// The notice, if there is one to give. The tree is packed all the same: a host may have a build of its own.
pub(super) fn notice(
    root: &Path,
    items: &BTreeMap<String, Item>,
    build: Option<&BuildSection>,
) -> Result<Option<String>, PackError> {
    let is_file = |item: &Item| matches!(item, Item::File { .. } | Item::Link(_));
    let has = |name: &str| items.get(name).is_some_and(is_file);
    let setup_cfg = if has(SETUP_CFG) {
        let place = root.join(SETUP_CFG);
        head(&place).map_err(PackError::read(&place))?
    } else {
        Vec::new()
    };
    let none = BuildSection::default();
    let section = build.unwrap_or(&none);
    let file = unguessed_build_file(section, has, &String::from_utf8_lossy(&setup_cfg));
    Ok(file.map(|file| {
        format!("no host guesses how to build it: {}, unless its hosts do", unguessed_words(file))
    }))
}
