//! Patterns of what is packed and what is left out.

use std::cell::Cell;

use globset::{GlobBuilder, GlobMatcher};

use crate::pack::PackError;

/// Some globs, which remember whether they ever matched. A glob that matches a directory takes all
/// that is in it.
pub(super) struct Globs(Vec<Glob>);

struct Glob {
    written: String,
    matcher: GlobMatcher,
    used: Cell<bool>,
}

impl Globs {
    /// Globs that are read from the tree's root: `bin/agent`, `src/**`, `**/*.py`.
    pub(super) fn anchored(globs: &[String]) -> Result<Self, PackError> {
        Self::compile(globs, str::to_owned)
    }

    /// Globs as `.gitignore` has them: one without a slash is looked for at every depth.
    pub(super) fn floating<'a>(
        globs: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self, PackError> {
        Self::compile(globs, |glob| {
            if glob.contains('/') { glob.to_owned() } else { format!("**/{glob}") }
        })
    }

    fn compile<'a>(
        globs: impl IntoIterator<Item = &'a String>,
        place: fn(&str) -> String,
    ) -> Result<Self, PackError> {
        globs
            .into_iter()
            .map(|written| {
                let placed = place(written.trim_end_matches('/'));
                let placed = placed.trim_start_matches("./").trim_start_matches('/');
                // An empty glob would be read as one that matches nothing, without a word.
                let text = if placed.is_empty() || placed == "**/" { "[" } else { placed };
                let glob = GlobBuilder::new(text)
                    .literal_separator(true)
                    .backslash_escape(true)
                    .build()
                    .map_err(|source| PackError::Glob { glob: written.clone(), source })?;
                let matcher = glob.compile_matcher();
                Ok(Glob { written: written.clone(), matcher, used: Cell::new(false) })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them names this path or a directory above it.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut matches = false;
        for glob in &self.0 {
            if ancestry(path).any(|part| glob.matcher.is_match(part)) {
                glob.used.set(true);
                matches = true;
            }
        }
        matches
    }

    /// Whether the path itself was written, letter by letter.
    pub(super) fn names(&self, path: &str) -> bool {
        self.0.iter().any(|glob| glob.written.trim_start_matches("./") == path)
    }

    /// Those that have matched nothing so far, as they were written.
    pub(super) fn unused(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|glob| !glob.used.get()).map(|glob| glob.written.as_str())
    }
}

/// `a`, `a/b`, `a/b/c`.
fn ancestry(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
    ends.map(|end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(globs: &[&str]) -> Vec<String> {
        globs.iter().map(|&glob| glob.to_owned()).collect()
    }

    #[test]
    fn an_exclude_without_a_slash_is_looked_for_at_every_depth() {
        let globs =
            Globs::floating(&owned(&["*.pyc", "node_modules/", "/top", "a/*.txt"])).unwrap();
        for path in ["x.pyc", "a/b/x.pyc", "web/node_modules/left-pad/index.js", "top", "a/1.txt"] {
            assert!(globs.matches(path), "{path}");
        }
        for path in ["x.py", "deep/top", "b/a/1.txt", "a/b/1.txt"] {
            assert!(!globs.matches(path), "{path}");
        }
    }

    #[test]
    fn an_include_is_read_from_the_root() {
        let globs = Globs::anchored(&owned(&["src", "./bin/agent", "**/*.md"])).unwrap();
        for path in ["src/a/b.rs", "bin/agent", "README.md", "docs/x.md"] {
            assert!(globs.matches(path), "{path}");
        }
        for path in ["vendor/src/x", "bin/other"] {
            assert!(!globs.matches(path), "{path}");
        }
        assert!(globs.names("bin/agent") && !globs.names("src/a"));
    }

    #[test]
    fn lesson_38_a_bad_glob_is_an_error_and_an_idle_one_is_known() {
        for bad in ["[", "{a", "", "/", "a[z-a]", "a\\"] {
            let error = Globs::floating(&owned(&[bad])).err();
            assert!(matches!(error, Some(PackError::Glob { .. })), "{bad}");
        }
        let globs = Globs::floating(&owned(&["*.log", "*.tmp"])).unwrap();
        assert!(globs.matches("a.log"));
        assert_eq!(globs.unused().collect::<Vec<_>>(), ["*.tmp"]);
    }
}
