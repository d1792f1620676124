//! From the file's text to the configuration.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use common::field_names;
use explain::{Exit, Explain, FailureCode, nearest};
use serde::Deserialize;
use toml::de::DeTable;

use crate::config::hook::RawHook;
use crate::notify::Hook;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Who is told of what.
    pub on_event: Vec<Hook>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there, and could not be read.
    #[error("read the configuration {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// All that is wrong in it.
    #[error("use the configuration {}", .path.display())]
    Faults { path: PathBuf, source: Faults },
}

/// What is wrong in a file, in the order of its lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(Vec<String>);

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    on_event: Vec<toml::Spanned<RawHook>>,
}

impl Config {
    /// Reads the file; the files that it names may be relative to its own directory.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        let directory = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, directory)
            .map_err(|source| ConfigError::Faults { path: path.to_owned(), source })
    }

    fn parse(text: &str, directory: &Path) -> Result<Self, Faults> {
        let syntax = |error: toml::de::Error| {
            let line = line(text, error.span().map_or(0, |span| span.start));
            let words: Vec<_> = error.message().split_whitespace().collect();
            Faults(vec![format!("line {line}: {}", words.join(" "))])
        };
        let document = DeTable::parse(text).map_err(syntax)?;
        let mut faults = unknown_keys(text, document.get_ref());
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let raw = RawConfig::deserialize(toml::Deserializer::from(document)).map_err(syntax)?;
        let mut on_event = Vec::new();
        for hook in raw.on_event {
            let line = line(text, hook.span().start);
            match hook.into_inner().understood(directory) {
                Ok(hook) => on_event.push(hook),
                Err(fault) => faults.push(format!("line {line}: on_event: {fault}")),
            }
        }
        if faults.is_empty() { Ok(Self { on_event }) } else { Err(Faults(faults)) }
    }
}

fn unknown_keys(text: &str, document: &DeTable<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut walk = |table: &DeTable<'_>, known: &[&str], section: &str| {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let line = line(text, key.span().start);
            let meant = nearest(name, known.iter().copied()).map_or_else(
                || format!("known are {}", known.join(", ")),
                |known| format!("did you mean {known}?"),
            );
            faults.push(format!("line {line}: unknown key {section}{name} ({meant})"));
        }
    };
    walk(document, field_names::<RawConfig>(), "");
    let hooks = document.get("on_event").and_then(|hooks| hooks.get_ref().as_array());
    for hook in hooks.into_iter().flatten().filter_map(|hook| hook.get_ref().as_table()) {
        walk(hook, field_names::<RawHook>(), "on_event.");
    }
    faults
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("; "))
    }
}

impl Explain for ConfigError {
    fn code(&self) -> FailureCode {
        FailureCode::BadConfiguration
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::notify::{Occasion, Target};

    fn parsed(text: &str) -> Result<Config, Faults> {
        Config::parse(text, Path::new("/home"))
    }

    fn faults(text: &str) -> Vec<String> {
        parsed(text).unwrap_err().0
    }

    #[test]
    fn no_file_and_an_empty_one_say_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("swarm.toml");
        assert_eq!(Config::load(&path).unwrap(), Config::default());
        std::fs::write(&path, "# nothing\n").unwrap();
        assert_eq!(Config::load(&path).unwrap(), Config::default());
        std::fs::write(&path, "on_evnt = 1\n").unwrap();
        let error = Config::load(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("use the configuration {}", path.display()));
        assert!(matches!(Config::load(directory.path()), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn hooks_have_defaults_and_paths_beside_the_file() {
        let config = parsed(
            "[[on_event]]\nurl = 'https://hooks.example.org/x'\nsecret = 'hook.secret'\n\
             [[on_event]]\nevents = ['tripped']\ncommand = ['/bin/page', 'web']\ntimeout = '5s'\n\
             attempts = 3\n",
        );
        let [webhook, command] = &config.unwrap().on_event[..] else { panic!() };
        assert_eq!(webhook.events.len(), Occasion::ALL.len());
        assert_eq!((webhook.attempts.get(), webhook.timeout), (5, Duration::from_secs(10)));
        let Target::Webhook { secret, ca: None, .. } = &webhook.target else { panic!() };
        assert_eq!(secret, Path::new("/home/hook.secret"));
        assert_eq!(command.events.iter().collect::<Vec<_>>(), [&Occasion::Tripped]);
        assert_eq!((command.attempts.get(), command.timeout), (3, Duration::from_secs(5)));
    }

    #[test]
    fn all_unknown_keys_are_told_with_the_nearest_known_one() {
        let found = faults("on_evnt = 1\n[[on_event]]\nulr = 'x'\n\n[[on_event]]\nzzz = 1\n");
        assert_eq!(
            found,
            [
                "line 1: unknown key on_evnt (did you mean on_event?)",
                "line 3: unknown key on_event.ulr (did you mean url?)",
                "line 6: unknown key on_event.zzz (known are events, command, url, secret, ca, \
                 timeout, attempts)",
            ]
        );
    }

    #[test]
    fn a_hook_that_cannot_work_is_refused_with_its_line() {
        let told = |hook: &str| faults(&format!("\n[[on_event]]\n{hook}\n")).remove(0);
        for (hook, expected) in [
            ("events = ['paused']", "line 2: on_event: it has neither a command nor a url"),
            (
                "command = 'x'\nurl = 'https://x/'",
                "line 2: on_event: it has both a command and a url",
            ),
            ("command = []", "line 2: on_event: its command is empty"),
            ("command = 'x'\nsecret = 'y'", "line 2: on_event: secret and ca are for a url"),
            ("url = 'https://x/'", "line 2: on_event: a url needs a secret to sign with"),
            (
                "events = []\ncommand = 'x'",
                "line 2: on_event: events is empty: the hook would never be called",
            ),
            (
                "url = 'http://10.0.0.1/'\nsecret = 'y'",
                "line 2: on_event: url: it must be https (http is for 127.0.0.1, ::1 \
                 and localhost only)",
            ),
        ] {
            assert_eq!(told(hook), expected, "{hook}");
        }
        assert!(told("events = ['paussed']").starts_with("line 3: unknown variant `paussed`"));
        assert!(told("attempts = 0\ncommand = 'x'").starts_with("line 3: "));
        assert!(told("timeout = 5\ncommand = 'x'").starts_with("line 3: "));
        assert!(faults("[[on_event]\n")[0].starts_with("line 1: "));
    }
}
