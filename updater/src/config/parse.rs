//! From the file's text to the configuration, with all that is wrong in it at once.
//!
//! The text is walked key by key before it is deserialized: serde stops at the first fault, and a
//! person who mends a file wants to know of all of them.

use std::path::{Component, Path, PathBuf};

use protocol::AppName;
use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::section_table::{APPS, Section, is_command_or_section, is_section, join};
use super::validate::validate;
use super::{Config, Finding, TrustedKey, has_errors};

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
    /// What is left of the text of the file `path` without the keys that are wrong, so that the rest can
    /// be looked at as well; none where it is no TOML.
    pub(crate) fn rest_of(text: &str, path: &Path) -> Option<Rest> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut walk = Walk::of(text);
        if errors.is_empty()
            && let Some(whole) = Section::find("")
        {
            walk.section(whole, "", document.get_ref());
        }
        let mut table: toml::Table = text.parse().ok()?;
        prune(&mut table, "", &walk.left_out);
        let mut config: Self = table.try_into().ok()?;
        config.find_files_beside(path).ok()?;
        Some(Rest { config, left_out: walk.left_out })
    }

    /// Reads a text. Unknown keys are errors; so are values of a wrong type. What the values mean
    /// is for [`validate`] to judge.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut walk = Walk::of(text);
        if errors.is_empty()
            && let Some(whole) = Section::find("")
        {
            walk.section(whole, "", document.get_ref());
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
        let config = Self::parse_beside(text, path)?;
        let findings = validate(&config);
        if has_errors(&findings) {
            return Err(ConfigError::Faults(findings));
        }
        Ok(config)
    }

    /// Reads the text of the file `path`, near which the files may be that it names.
    pub(crate) fn parse_beside(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let mut config = Self::parse(text)?;
        config.find_files_beside(path).map_err(read)?;
        Ok(config)
    }

    /// An absolute path stays what it is when it is joined to another.
    fn find_files_beside(&mut self, file: &Path) -> std::io::Result<()> {
        let file = std::path::absolute(file)?;
        let directory = file.parent().unwrap_or(&file);
        // Where it leads today is said once: a path with a `..` is no clear one.
        let clear = !directory.components().any(|part| part == Component::ParentDir);
        let directory = &if clear { directory.to_owned() } else { directory.canonicalize()? };
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

/// A configuration without what is wrong in it.
pub(crate) struct Rest {
    pub(crate) config: Config,
    /// The keys that are wrong, and those that were probably meant: what has their place says nothing.
    left_out: Vec<String>,
}

impl Rest {
    /// Whether what is found about a key is so.
    pub(crate) fn is_said(&self, key: &str) -> bool {
        let covers = |left: &String| {
            key.strip_prefix(left.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.left_out.iter().any(covers)
    }
}

/// Takes the keys away whose paths these are.
fn prune(table: &mut toml::Table, path: &str, left_out: &[String]) {
    table.retain(|key, _| !left_out.contains(&join(path, key)));
    for (key, value) in table.iter_mut() {
        if let toml::Value::Table(inner) = value {
            prune(inner, &join(path, key), left_out);
        }
    }
}

struct Walk<'t> {
    text: &'t str,
    findings: Vec<Finding>,
    /// See [`Rest`].
    left_out: Vec<String>,
}

impl<'t> Walk<'t> {
    const fn of(text: &'t str) -> Self {
        Self { text, findings: Vec::new(), left_out: Vec::new() }
    }

    /// `shown` is the section's path in the file, with the app's name.
    fn section(&mut self, section: &Section, parent: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span().start));
            let (path, shown) = (join(section.path, name), join(parent, name));
            if !section.names().contains(&name) {
                self.left_out.extend(section.nearest(name).map(|meant| join(parent, &meant)));
                self.unknown(section, name, &shown, line);
            } else if !is_section(&path) {
                if let Err(message) = section.check(key, value) {
                    self.add(line, &shown, message);
                }
            } else if let Some(table) = value.get_ref().as_table() {
                match Section::find(&path) {
                    Some(inner) => self.section(inner, &shown, table),
                    None => self.apps(table),
                }
            } else if is_command_or_section(&path) {
                if let Err(message) = section.check(key, value) {
                    self.add(line, &shown, message);
                }
            } else {
                self.no_section(&shown, line, value);
            }
        }
    }

    fn apps(&mut self, apps: &DeTable<'_>) {
        for (key, value) in apps {
            let (name, line) = (key.get_ref().as_ref(), self.line(key.span().start));
            let shown = join(APPS, name);
            match (name.parse::<AppName>(), value.get_ref().as_table()) {
                (Err(error), _) => self.add(line, &shown, error.to_string()),
                (Ok(_), None) => self.no_section(&shown, line, value),
                (Ok(_), Some(table)) => self.app(name, &shown, table),
            }
        }
    }

    fn app(&mut self, name: &str, shown: &str, table: &DeTable<'_>) {
        if let Some(section) = Section::find("app.*") {
            self.section(section, shown, table);
        }
        if !table.iter().any(|(key, _)| key.get_ref() == "install_dir") {
            let finding = Finding::error(join(shown, "install_dir"), "is missing");
            let hint = format!("every app needs one: install_dir = \"/opt/{name}\"");
            self.left_out.push(shown.to_owned());
            self.findings.push(finding.hint(hint));
        }
    }

    fn unknown(&mut self, section: &Section, name: &str, shown: &str, line: usize) {
        let finding = Finding::error(shown, "unknown key").line(line);
        self.left_out.push(shown.to_owned());
        self.findings.push(match section.nearest(name) {
            Some(known) => finding.hint(format!("did you mean {known}?")),
            None => finding,
        });
    }

    fn no_section(&mut self, shown: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        let found = value.get_ref().type_str();
        self.add(line, shown, format!("must be a section, [{shown}], and is a {found}"));
    }

    fn add(&mut self, line: usize, key: &str, message: impl Into<String>) {
        self.left_out.extend((!key.is_empty()).then(|| key.to_owned()));
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

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| {
        format!("{text}\n  {}: {finding}", finding.severity.into_str())
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
        let app = "[app.agent]\ninstall_dir = '/opt/agent'\n";
        assert!(faults(&format!("{app}run = 3\n"))[0].contains("a section, or a command"));
        let config = Config::parse(&format!("{app}run = []\n")).unwrap();
        let command = config.apps.values().next().unwrap().run.command.clone();
        assert_eq!(command.map(|command| command.0), Some(Vec::new()));
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
        std::fs::create_dir(directory.path().join("misc")).unwrap();
        let config = Config::load(&directory.path().join("misc/../updater.toml")).unwrap();
        assert_eq!(config.identity, directory.path().canonicalize().unwrap().join("updater"));
    }
}
