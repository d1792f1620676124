//! What builds, package managers and editors leave lying about: in a tree of which git says nothing, it is
//! not a part of the release.

/// The names; `*` stands for anything. One that names a directory means all that is in it.
pub const CLUTTER_NAMES: &[&str] =
    &[".git", ".venv", "__pycache__", "node_modules", "target", ".pytest_cache", "*.pyc", "*.log"];

/// The first part of the path that is such a thing, with all before it.
pub(super) fn clutter_part(path: &str) -> Option<&str> {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    ends.map(|end| &path[..end]).find(|above| {
        let name = above.rsplit('/').next().unwrap_or(above);
        CLUTTER_NAMES.iter().any(|clutter| match clutter.strip_prefix('*') {
            Some(end) => name.ends_with(end),
            None => name == *clutter,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_about_is_known_by_its_name_at_every_depth() {
        for (path, part) in [
            ("web/node_modules/x/index.js", "web/node_modules"),
            ("a/__pycache__/b.pyc", "a/__pycache__"),
            ("a/b.pyc", "a/b.pyc"),
            ("debug.log", "debug.log"),
            ("vendor/x/.git/config", "vendor/x/.git"),
        ] {
            assert_eq!(clutter_part(path), Some(part), "{path}");
        }
        for path in ["targets/a", "src/target.rs", "log", "catalog/x", ".gitignore", "a.logs"] {
            assert_eq!(clutter_part(path), None, "{path}");
        }
    }
}
