//! `release.toml`: what a release says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{KillMode, Period, StopSignal};

/// Why a `release.toml` was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or not of this shape.
    #[error("read release.toml: {0}")]
    Malformed(String),
    /// A text that would not be one line on a screen.
    #[error("read release.toml: {0} must be one line of at most 128 printable characters")]
    Text(&'static str),
}

/// A command and its arguments: a list of words, or one line that is split at white space outside of
/// quotes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "CommandForm")]
pub struct Command(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum CommandForm {
    Words(Vec<String>),
    Line(String),
}

impl From<CommandForm> for Command {
    fn from(form: CommandForm) -> Self {
        match form {
            CommandForm::Words(words) => Self(words),
            CommandForm::Line(line) => Self(split(&line)),
        }
    }
}

/// The words of a line, as a shell would split it: quotes hold a word together and are not part of it.
/// Nothing else that a shell knows has a meaning. A quote without its other one is a character like any.
fn split(line: &str) -> Vec<String> {
    quoted_words(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect())
}

/// `None` where a quote is not ended.
fn quoted_words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some('"'), '\\') => {
                let next = characters.next()?;
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\') {
                    word.push('\\');
                }
                word.push(next);
            }
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The whole file. What the host's configuration sets wins over it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseManifest {
    /// What is released.
    pub name: Option<String>,
    /// Which version of it.
    pub version: Option<String>,
    /// The operating system that it is for, as `uname -s` in lower case: `linux`.
    pub os: Option<String>,
    /// The architecture that it is for, as `uname -m`: `x86_64`, `aarch64`.
    pub arch: Option<String>,
    /// What `swarm pack` takes.
    pub pack: Option<PackSection>,
    /// How it is built on the host.
    pub build: Option<BuildSection>,
    /// How it is started.
    pub run: Option<RunSection>,
    /// Commands around the switch.
    pub hooks: Option<HooksSection>,
    /// Changes of stored data.
    pub migrations: Option<MigrationsSection>,
    /// Unit files that it ships.
    pub units: Option<UnitsSection>,
}

/// `[pack]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackSection {
    /// Globs of what is packed, instead of what git tracks.
    pub include: Vec<String>,
    /// Globs of what is left out of that.
    pub exclude: Vec<String>,
}

/// `[build]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildSection {
    /// The command, run in the release. Empty builds nothing.
    pub command: Option<Command>,
    /// How long it may take.
    pub timeout: Option<Period>,
}

/// `[run]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// The command that starts it in the foreground.
    pub command: Option<Command>,
    /// The signal that it ends well on.
    pub stop_signal: Option<StopSignal>,
    /// Which of its processes get that signal.
    pub kill_mode: Option<KillMode>,
    /// Whether the command ends, and what it has put into the background stays.
    pub forks: Option<bool>,
    /// Where in the release the number stands of the process that stays.
    pub pid_file: Option<String>,
}

/// `[hooks]`. Each runs in the release, as the app's user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HooksSection {
    /// Before `active` goes to this release; a failure ends the update.
    pub before_switch: Option<Command>,
    /// After the switch, before the agent is started; a failure reverses.
    pub after_switch: Option<Command>,
    /// Before `active` leaves this release.
    pub before_rollback: Option<Command>,
    /// After `active` has left this release, before the agent of the other one is started.
    pub after_rollback: Option<Command>,
    /// In a handover: before this release's agent is to end what it has begun.
    pub drain: Option<Command>,
    /// In a handover: it is to take work again after all.
    pub undrain: Option<Command>,
    /// In a handover: this release's agent is ready and is to take over.
    pub activate: Option<Command>,
}

/// `[migrations]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MigrationsSection {
    /// Brings stored data to this release's form. It bears being run again: after it was cut short,
    /// and on data that has that form already.
    pub up: Option<Command>,
    /// Brings it back, also what `up` has done half. It bears being run again, too.
    pub down: Option<Command>,
    /// Copies it first. The last line that it prints says where the copy lies.
    pub backup: Option<Command>,
    /// Whether the release before can run again once `down` has been run, or at once where there is no
    /// `down`. If it is not said: whether there is a `down`.
    pub reversible: Option<bool>,
}

/// What a release does to stored data, by what it says itself. A host may have its own commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrates {
    /// Whether the release before can run again afterwards.
    pub reversible: bool,
    /// Whether the data is copied first.
    pub backup: bool,
}

/// `[units]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct UnitsSection {
    /// Where unit files are in the release, by their name on the host.
    pub files: BTreeMap<String, String>,
}

impl MigrationsSection {
    /// What it comes to; nothing without an `up`.
    pub fn migrates(&self) -> Option<Migrates> {
        let says = |command: &Option<Command>| command.as_ref().is_some_and(|it| !it.0.is_empty());
        says(&self.up).then(|| Migrates {
            reversible: self.reversible.unwrap_or_else(|| says(&self.down)),
            backup: says(&self.backup),
        })
    }
}

impl ReleaseManifest {
    /// The name of the file at the root of a release.
    pub const FILE: &'static str = "release.toml";

    /// Parses the file's text. Unknown keys are errors.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)
            .map_err(|error| ManifestError::Malformed(in_one_line(&error, text)))?;
        check_line("name", manifest.name.as_deref())?;
        check_line("version", manifest.version.as_deref())?;
        Ok(manifest)
    }
}

/// What the parser says, and of which line: it stands in answers and in tables.
fn in_one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let before = error.span().and_then(|span| text.get(..span.start));
    match before.map(|before| before.matches('\n').count() + 1) {
        Some(line) => format!("line {line}: {message}"),
        None => message,
    }
}

fn check_line(what: &'static str, text: Option<&str>) -> Result<(), ManifestError> {
    if text.is_none_or(is_line) { Ok(()) } else { Err(ManifestError::Text(what)) }
}

/// Whether a text is one line on any screen, and short.
pub(crate) fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_a_shell_would_but_for_what_only_a_shell_knows() {
        for (line, words) in [
            ("bin/agent  --port 8765", &["bin/agent", "--port", "8765"][..]),
            ("sh -c 'exec  bin/agent $HOME'", &["sh", "-c", "exec  bin/agent $HOME"]),
            (r#"a "b c"'d "e' "" "f\"g\\h\i""#, &["a", "b cd \"e", "", "f\"g\\h\\i"]),
            (r"a\b c", &[r"a\b", "c"]),
            ("echo it's", &["echo", "it's"]),
            ("", &[]),
        ] {
            assert_eq!(split(line), words, "{line}");
        }
    }

    #[test]
    fn a_manifest_is_read() {
        let manifest = ReleaseManifest::parse(
            "name = 'web'\nversion = '1.2'\n[build]\ncommand = 'make all'\ntimeout = '5m'\n\
             [run]\ncommand = ['bin/web', '--port', '80']",
        )
        .unwrap();
        assert_eq!(manifest.version.as_deref(), Some("1.2"));
        let build = manifest.build.unwrap();
        assert_eq!(build.command, Some(Command(vec!["make".into(), "all".into()])));
        assert_eq!(manifest.run.unwrap().command.unwrap().0.len(), 3);
    }

    #[test]
    fn what_a_migration_comes_to_follows_from_its_commands() {
        let of = |text: &str| {
            let section = ReleaseManifest::parse(text).unwrap().migrations;
            section.and_then(|section| section.migrates())
        };
        let says = |reversible, backup| Some(Migrates { reversible, backup });
        assert_eq!(of("name = 'x'"), None);
        assert_eq!(of("[migrations]\ndown = 'd'"), None);
        assert_eq!(of("[migrations]\nup = 'u'"), says(false, false));
        assert_eq!(of("[migrations]\nup = 'u'\ndown = 'd'\nbackup = 'b'"), says(true, true));
        assert_eq!(of("[migrations]\nup = 'u'\nreversible = true"), says(true, false));
    }

    #[test]
    fn unit_files_are_named_by_their_names_on_the_host() {
        let manifest = ReleaseManifest::parse("[units]\n'a.service' = 'units/a'").unwrap();
        let files = manifest.units.unwrap().files;
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("a.service".into(), "units/a".into())]);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_with_its_number() {
        let said = ReleaseManifest::parse("name = 'x'\n[build]\ncmd = 'make'\n").unwrap_err();
        let said = said.to_string();
        assert!(said.starts_with("read release.toml: line 3: unknown field `cmd`"), "{said}");
        assert!(!said.contains('\n'), "{said}");
        let said = ReleaseManifest::parse("name = 'x").unwrap_err().to_string();
        assert!(said.contains("line 1: ") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn unknown_keys_and_control_characters_are_refused() {
        for bad in ["nmae = 'x'", "name = \"a\\u001b[2J\"", "version = ''", "[build]\ncmd = 'x'"] {
            assert!(ReleaseManifest::parse(bad).is_err(), "{bad}");
        }
    }
}
