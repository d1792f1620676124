//! What is known of a release that its tree alone does not say, as its build is told.

/// What the packer and `release.toml` say of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFacts {
    pub name: Option<String>,
    pub version: Option<String>,
    /// The git commit, in hex.
    pub commit: Option<String>,
    /// What `git describe --tags --always` says of it.
    pub describe: Option<String>,
}

impl ReleaseFacts {
    /// The variables of every build; what is not known has none.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let facts = [
            ("RELEASE_NAME", &self.name),
            ("RELEASE_VERSION", &self.version),
            ("RELEASE_COMMIT", &self.commit),
            ("RELEASE_DESCRIBE", &self.describe),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
    }

    /// What tells setuptools-scm, and what is built on it, the version that it finds no git for.
    pub(super) fn python_version(&self) -> Option<(String, String)> {
        let own = self.version.as_deref().and_then(python_version);
        let version = own.or_else(|| described(self.describe.as_deref()?))?;
        Some(("SETUPTOOLS_SCM_PRETEND_VERSION".to_owned(), version))
    }
}

/// `v1.4.0`, `v1.4.0-3-gabc1234`, each with or without `-dirty`, as a version of Python's.
fn described(text: &str) -> Option<String> {
    let (text, dirty) = match text.strip_suffix("-dirty") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if let Some((tag, commit)) = text.rsplit_once("-g").filter(|(_, hex)| is_hex(hex))
        && let Some((tag, count)) = tag.rsplit_once('-')
        && count.parse::<u32>().is_ok()
    {
        let dirty = if dirty { ".dirty" } else { "" };
        return python_version(&format!("{tag}.post{count}+g{commit}{dirty}"));
    }
    // A commit without a tag is only its name.
    if is_hex(text) {
        return None;
    }
    python_version(&if dirty { format!("{text}+dirty") } else { text.to_owned() })
}

fn is_hex(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The version without a leading `v`, if it is one by PEP 440.
fn python_version(text: &str) -> Option<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let (public, local) = match lower.split_once('+') {
        Some((public, local)) => (public, Some(local)),
        None => (lower.as_str(), None),
    };
    let alphanumeric =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_local = local.is_none_or(|local| local.split(['.', '-', '_']).all(alphanumeric));
    (is_local && is_public(public)).then(|| text.to_owned())
}

/// `[N!]N(.N)*[{a|b|rc}N][.postN][.devN]`, in its other spellings too.
fn is_public(text: &str) -> bool {
    let rest = match text.split_once('!') {
        Some((epoch, rest)) if epoch.parse::<u64>().is_ok() => rest,
        Some(_) => return false,
        None => text,
    };
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let numbers = rest[..end].strip_suffix('.').unwrap_or(&rest[..end]);
    if numbers.is_empty() || !numbers.split('.').all(|number| number.parse::<u64>().is_ok()) {
        return false;
    }
    let rest = &rest[numbers.len()..];
    let rest = suffix(rest, &["alpha", "beta", "preview", "pre", "rc", "a", "b", "c"]);
    let rest = suffix(rest, &["post", "rev", "r"]);
    let rest = match rest.strip_prefix('-') {
        Some(number) if !number.is_empty() && number.parse::<u64>().is_ok() => "",
        _ => rest,
    };
    suffix(rest, &["dev"]).is_empty()
}

/// What follows one of the words and its number, if the text begins with that.
fn suffix<'a>(text: &'a str, words: &[&str]) -> &'a str {
    let separators: &[char] = &['.', '-', '_'];
    let begin = text.strip_prefix(separators).unwrap_or(text);
    let Some(rest) = words.iter().find_map(|word| begin.strip_prefix(word)) else { return text };
    let number = rest.strip_prefix(separators).unwrap_or(rest);
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    if digits == 0 { rest } else { &number[digits..] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: what is known, and the version that is told.
    fn agree(tell: fn(&str) -> Option<String>, rows: &[(&str, Option<&str>)]) {
        for (known, told) in rows {
            assert_eq!(tell(known).as_deref(), *told, "{known}");
        }
    }

    #[test]
    fn only_a_version_of_pythons_is_told_to_setuptools() {
        let rows = [
            ("1.4.0", Some("1.4.0")),
            ("v1.4.0", Some("1.4.0")),
            ("2!1.0rc1", Some("2!1.0rc1")),
            ("1.0-beta.2", Some("1.0-beta.2")),
            ("1.0.post3.dev4+g1234567.dirty", Some("1.0.post3.dev4+g1234567.dirty")),
            ("1.0-1", Some("1.0-1")),
            ("1.0.", None),
            ("1.0 final", None),
            ("2024-05-01", None),
            ("release", None),
            ("1.0+", None),
            ("", None),
        ];
        agree(python_version, &rows);
    }

    #[test]
    fn what_git_describes_becomes_a_version() {
        let rows = [
            ("v1.4.0", Some("1.4.0")),
            ("v1.4.0-3-g1234567abcde", Some("1.4.0.post3+g1234567abcde")),
            ("1.4.0-3-g1234567-dirty", Some("1.4.0.post3+g1234567.dirty")),
            ("v1.4.0-dirty", Some("1.4.0+dirty")),
            ("1234567", None),
            ("nightly-3-g1234567", None),
        ];
        agree(described, &rows);
    }

    #[test]
    fn the_release_itself_has_the_first_word() {
        let describe = Some("v2.0".to_owned());
        let facts =
            ReleaseFacts { version: Some("1.9".to_owned()), describe, ..ReleaseFacts::default() };
        assert_eq!(facts.python_version().unwrap().1, "1.9");
        let unfit = ReleaseFacts { version: Some("spring".to_owned()), ..facts };
        assert_eq!(unfit.python_version().unwrap().1, "2.0");
        let names: Vec<_> = unfit.variables().map(|(name, _)| name).collect();
        assert_eq!(names, ["RELEASE_VERSION", "RELEASE_DESCRIBE"]);
    }
}
