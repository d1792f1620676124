//! From the file's text to the configuration, with all that is wrong in it at once.
//!
//! The text is walked key by key before it is deserialized: serde stops at the first fault, and a
//! person who mends a file wants to know of all of them.

use std::path::{Path, PathBuf};

use protocol::AppName;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, names_in, nearest};
use super::validate::validate;
use super::{Config, Finding, has_errors};
use crate::trust::TrustedKey;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("read the configuration {path}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// All that is wrong in it.
    #[error("use the configuration:{}", lines(.0))]
    Faults(Vec<Finding>),
}

impl Config {
    /// Reads a text. Unknown keys are errors; so are values of a wrong type. What the values mean
    /// is for [`validate`] to judge.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut walk = Walk { text, findings: Vec::new() };
        if errors.is_empty() {
            walk.section("", "", document.get_ref());
        }
        for error in errors {
            walk.syntax(&error);
        }
        if !walk.findings.is_empty() {
            walk.findings.sort_by_key(|finding| finding.line);
            return Err(ConfigError::Faults(walk.findings));
        }
        Self::deserialize(toml::Deserializer::from(document)).map_err(|error| {
            walk.syntax(&error);
            ConfigError::Faults(walk.findings)
        })
    }

    /// Reads a file, and refuses one with which the updater must not start. Identities and keys may be
    /// relative to the file's directory, so that a directory made by `swarm enroll` can be put
    /// anywhere.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        Self::from_text(&std::fs::read_to_string(path).map_err(read)?, path)
    }

    /// As [`Self::load`], of a text that is, or will be, in the file `path`.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut config = Self::parse(text)?;
        config.find_files_beside(path).map_err(read)?;
        let findings = validate(&config);
        if has_errors(&findings) {
            return Err(ConfigError::Faults(findings));
        }
        Ok(config)
    }

    /// An absolute path stays what it is when it is joined to another.
    pub fn find_files_beside(&mut self, file: &Path) -> std::io::Result<()> {
        let file = std::path::absolute(file)?;
        let directory = file.parent().unwrap_or(&file);
        self.identity = directory.join(&self.identity);
        for identity in self.apps.values_mut().filter_map(|app| app.health.identity.as_mut()) {
            *identity = directory.join(&*identity);
        }
        let apps = self.apps.values_mut().flat_map(|app| &mut app.trusted_keys);
        for key in apps.chain(&mut self.self_update.trusted_keys) {
            if let TrustedKey::File(key) = key {
                *key = directory.join(&*key);
            }
        }
        Ok(())
    }
}

struct Walk<'t> {
    text: &'t str,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    /// `pattern` is the section's path in the table of keys, `shown` the one in the file.
    fn section(&mut self, pattern: &str, shown: &str, table: &DeTable<'_>) {
        let names = names_in(pattern);
        for (key, value) in table {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span().start));
            let shown = join(shown, name);
            if names == ["*"] {
                match name.parse::<AppName>() {
                    Ok(_) => self.value(&join(pattern, "*"), &shown, line, value),
                    Err(error) => self.add(line, &shown, error.to_string()),
                }
            } else if names.contains(&name) {
                self.value(&join(pattern, name), &shown, line, value);
            } else {
                self.unknown(pattern, name, &shown, line);
            }
        }
        if pattern == "app.*" && !table.iter().any(|(key, _)| key.get_ref() == "install_dir") {
            let key = join(shown, "install_dir");
            self.findings.push(Finding::error(key, "is missing").hint(format!(
                "every app needs one: install_dir = \"/opt/{}\"",
                shown.trim_start_matches("app.")
            )));
        }
    }

    fn value(&mut self, pattern: &str, shown: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        if let Some(key) = KEYS.iter().find(|key| key.path == pattern) {
            if let Err(message) = (key.check)(value) {
                self.add(line, shown, message);
            }
        } else if let Some(table) = value.get_ref().as_table() {
            self.section(pattern, shown, table);
        } else {
            let found = value.get_ref().type_str();
            self.add(line, shown, format!("must be a section, [{shown}], and is a {found}"));
        }
    }

    fn unknown(&mut self, pattern: &str, name: &str, shown: &str, line: usize) {
        let finding = Finding::error(shown, "unknown key").line(line);
        self.findings.push(match nearest(pattern, name) {
            Some(known) => finding.hint(format!("did you mean {known}?")),
            None => finding,
        });
    }

    fn add(&mut self, line: usize, key: &str, message: impl Into<String>) {
        self.findings.push(Finding::error(key, one_line(&message.into())).line(line));
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let line = self.line(error.span().map_or(0, |span| span.start));
        self.add(line, "", error.message());
    }

    fn line(&self, offset: usize) -> usize {
        1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
    }
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| {
        format!("{text}\n  {}: {finding}", finding.severity.name())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match Config::parse(text) {
            Err(ConfigError::Faults(findings)) => {
                findings.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_file_has_all_the_defaults() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.listen, "0.0.0.0:8766");
        assert_eq!(config.self_update.install_dir, Path::new("/opt/updater"));
        assert!(config.apps.is_empty());
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_lines() {
        let found = faults(
            "lisen = '1'\n[limits]\nentries = 'many'\nbody_timeout = '5 parsecs'\n\
             [app.agent]\nkeep = -1\nlniks = []\n[app.agent.health]\nattemps = 3\n\
             [app.Web]\ninstall_dir = '/x'\n",
        );
        let expected = [
            "app.agent.install_dir: is missing",
            "line 1: lisen: unknown key (did you mean listen?)",
            "line 3: limits.entries: ",
            "line 4: limits.body_timeout: ",
            "line 6: app.agent.keep: ",
            "line 7: app.agent.lniks: unknown key (did you mean links?)",
            "line 9: app.agent.health.attemps: unknown key (did you mean attempts?)",
            "line 10: app.Web: ",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} does not start with {expected:?}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
        let found = faults("[app.agent]\ninstall_dir = '/opt/agent'\nwatch_failures = 3\n");
        assert!(found[0].contains("app.<name>.health.watch_failures"), "{found:?}");
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let found = faults("listen = '1'\n[app.agent\nkeep = 3\n");
        assert!(found[0].starts_with("line 2: "), "{found:?}");
        let found = faults("keep = 1\n[limits]\n[limits]\n");
        assert!(found[0].starts_with("line 3: "), "{found:?}");
    }

    #[test]
    fn a_value_where_a_section_belongs_is_told() {
        assert!(faults("limits = 3\n")[0].contains("must be a section"));
        assert!(faults("[app]\nagent = '/opt/agent'\n")[0].contains("[app.agent]"));
    }

    #[test]
    fn a_file_with_which_the_updater_must_not_start_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("updater.toml");
        assert!(matches!(Config::load(&path), Err(ConfigError::Read { .. })));
        std::fs::write(&path, "[app.agent]\ninstall_dir = 'relative'\n").unwrap();
        assert!(matches!(Config::load(&path), Err(ConfigError::Faults(_))));
        std::fs::write(&path, "[app.agent]\ninstall_dir = '/opt/agent'\n").unwrap();
        assert!(Config::load(&path).is_ok());
    }

    #[test]
    fn identities_may_be_relative_to_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("updater.toml");
        let app = "[app.agent]\ninstall_dir = '/opt/agent'\nhealth.identity = '/etc/probe'\n";
        std::fs::write(&path, format!("identity = 'updater'\n{app}")).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.identity, directory.path().join("updater"));
        let health = &config.apps.values().next().unwrap().health;
        assert_eq!(health.identity.as_deref(), Some(Path::new("/etc/probe")));
    }
}
