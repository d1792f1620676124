//! `release.toml`: what a release says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::command::{program_command, run_or_command};
use crate::one_line::{in_one_line, is_line};
use crate::{BuildSection, Command, KillMode, StopSignal};

/// Why a `release.toml` was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, or not of this shape.
    #[error("read {file}: {what}")]
    Malformed {
        /// Which file.
        file: &'static str,
        /// What the parser says.
        what: String,
    },
    /// It has keys of swarm's, and others.
    #[error(
        "read release.toml: {what}; if that is another tool's, write the keys of swarm into swarm-release.toml"
    )]
    Mixed {
        /// What the parser says.
        what: String,
    },
    /// A text that would not be one line on a screen.
    #[error("read {file}: {key} must be one line of at most 128 printable characters")]
    Text {
        /// Which file.
        file: &'static str,
        /// Of which key.
        key: &'static str,
    },
}

impl ManifestError {
    /// What is wrong, without the file that it is in.
    pub fn fault(&self) -> String {
        let text = self.to_string();
        text.split_once(": ").map_or_else(|| text.clone(), |(_, fault)| fault.to_owned())
    }
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
    /// How it is started; a command in its place is its `command`.
    #[serde(deserialize_with = "run_section")]
    pub run: Option<RunSection>,
    /// Commands around the switch.
    pub hooks: Option<HooksSection>,
    /// Changes of stored data.
    pub migrations: Option<MigrationsSection>,
    /// Unit files that it ships.
    pub units: Option<UnitsSection>,
}

fn run_section<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RunSection>, D::Error> {
    run_or_command(from).map(Some)
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

/// `[run]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// The command that starts it in the foreground. An empty one: it has no process.
    #[serde(deserialize_with = "program_command")]
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

impl From<Command> for RunSection {
    fn from(command: Command) -> Self {
        Self { command: Some(command), ..Self::default() }
    }
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
    /// The name of the file at the root of a release. Other tools have one of this name, too.
    pub const FILE: &'static str = "release.toml";
    /// The name that is nobody else's. Where it is there, the other file means nothing.
    pub const OWN_FILE: &'static str = "swarm-release.toml";

    /// Its sections and keys.
    const KEYS: [&'static str; 10] =
        ["name", "version", "os", "arch", "pack", "build", "run", "hooks", "migrations", "units"];

    /// Files at the root of a tree of which some tool makes a program.
    const PROJECTS: [&'static str; 15] = [
        "requirements.txt",
        "pyproject.toml",
        "setup.py",
        "Cargo.toml",
        "package.json",
        "Makefile",
        "makefile",
        "GNUmakefile",
        "configure",
        "CMakeLists.txt",
        "meson.build",
        "go.mod",
        "Gemfile",
        "composer.json",
        "pom.xml",
    ];

    /// Whether it neither says how it is started, nor that nothing is.
    pub fn says_nothing_of_its_start(&self) -> bool {
        self.run.as_ref().is_none_or(|run| run.command.is_none())
    }

    /// Whether a release that [says nothing of its start](Self::says_nothing_of_its_start) is files alone, of
    /// which nothing can be started: none of them may be executed, and none is made of them.
    pub fn is_files_alone(&self, executables: bool, has: impl Fn(&str) -> bool) -> bool {
        let command = self.build.as_ref().and_then(|build| build.command.as_ref());
        let built = match command {
            Some(command) => !command.0.is_empty(),
            None => Self::PROJECTS.iter().any(|name| has(name)),
        };
        !executables && !built
    }

    /// Parses the text of a `release.toml`. Unknown keys are errors.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        Self::parse_file(Self::FILE, text)
    }

    /// Reads the text of either file. A `release.toml` that has keys, and none of these, is another tool's.
    pub fn read(file: &'static str, text: &str) -> Result<ManifestRead, ManifestError> {
        if file == Self::FILE {
            let (ours, others) = keys(text);
            if ours.is_empty() && !others.is_empty() && !others.iter().any(|key| is_misspelt(key)) {
                return Ok(ManifestRead::OfAnotherTool(others));
            }
            if let (false, Some(other)) = (ours.is_empty(), others.first()) {
                let what = match toml::from_str::<Self>(text) {
                    Err(error) => in_one_line(&error, text),
                    Ok(_) => format!("unknown key {other}"),
                };
                return Err(ManifestError::Mixed { what });
            }
        }
        Self::parse_file(file, text).map(|manifest| ManifestRead::Ours(Box::new(manifest)))
    }

    fn parse_file(file: &'static str, text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)
            .map_err(|error| ManifestError::Malformed { file, what: in_one_line(&error, text) })?;
        let texts = [("name", &manifest.name), ("version", &manifest.version)];
        for (key, text) in texts {
            if !text.as_deref().is_none_or(is_line) {
                return Err(ManifestError::Text { file, key });
            }
        }
        match manifest.build.as_ref().and_then(BuildSection::fault) {
            Some(what) => Err(ManifestError::Malformed { file, what }),
            None => Ok(manifest),
        }
    }
}

/// What a file that may be a release's own description came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestRead {
    /// A release's own description.
    Ours(Box<ReleaseManifest>),
    /// The keys of a `release.toml` that is another tool's.
    OfAnotherTool(Vec<String>),
}

impl ManifestRead {
    /// What it says of a release.
    pub fn manifest(self) -> ReleaseManifest {
        match self {
            Self::Ours(manifest) => *manifest,
            Self::OfAnotherTool(_) => ReleaseManifest::default(),
        }
    }
}

/// The keys of a text that are known here, and the others. One that is no TOML has none.
fn keys(text: &str) -> (Vec<String>, Vec<String>) {
    let table: toml::Table = text.parse().unwrap_or_default();
    table
        .into_iter()
        .map(|(key, _)| key)
        .partition(|key| ReleaseManifest::KEYS.contains(&key.as_str()))
}

/// Whether a key was meant to be a known one: of the same letters, or of one more or less.
fn is_misspelt(key: &str) -> bool {
    let letters = |key: &str| {
        let mut letters: Vec<char> = key.to_lowercase().chars().collect();
        letters.sort_unstable();
        letters
    };
    let found = letters(key);
    let lacks_one = |longer: &[char], shorter: &[char]| {
        longer.len() == shorter.len() + 1
            && (0..longer.len()).any(|at| [&longer[..at], &longer[at + 1..]].concat() == shorter)
    };
    key.len() > 3
        && ReleaseManifest::KEYS
            .iter()
            .map(|known| letters(known))
            .any(|known| found == known || lacks_one(&found, &known) || lacks_one(&known, &found))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_command_in_the_place_of_run_is_its_command() {
        let command = |text: &str| ReleaseManifest::parse(text).unwrap().run.unwrap().command;
        let words = |words: &[&str]| {
            Some(Command(words.iter().copied().map(str::to_owned).collect::<Vec<_>>()))
        };
        assert_eq!(command("run = []"), words(&[]));
        assert_eq!(command("[run]\ncommand = []"), words(&[]));
        assert_eq!(command("run = ['bin/web', '-p']"), words(&["bin/web", "-p"]));
        assert_eq!(command("run = 'bin/web -p'"), words(&["bin/web", "-p"]));
        // A line without words was meant to have some.
        assert_eq!(command("[run]\ncommand = ' '"), words(&[""]));
        assert_eq!(command("[run]"), None);
        for bad in ["run = 3", "run = [3]", "[run]\ncmd = 'x'"] {
            assert!(ReleaseManifest::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_alone_are_those_of_which_nothing_can_be_started() {
        let alone = |text: &str, executables, name: &str| {
            let manifest = ReleaseManifest::parse(text).unwrap();
            assert!(manifest.says_nothing_of_its_start(), "{text}");
            manifest.is_files_alone(executables, |file| file == name)
        };
        assert!(alone("", false, "index.html"));
        assert!(!alone("", true, "index.html"));
        assert!(!alone("", false, "go.mod"));
        assert!(!alone("[build]\ncommand = 'make'", false, "index.html"));
        assert!(alone("[build]\ncommand = []", false, "package.json"));
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
        assert!(
            said.starts_with("read release.toml: line 3, column 1: unknown key `cmd`"),
            "{said}"
        );
        assert!(!said.contains('\n'), "{said}");
        let said = ReleaseManifest::parse("name = 'x").unwrap_err().to_string();
        assert!(said.contains("line 1, column ") && !said.contains('\n'), "{said}");
        let said = ReleaseManifest::parse("name = 'ä'\n[build]\ncommand = 3\n").unwrap_err();
        let said = said.to_string();
        assert!(said.contains("line 3, column 11: expected a command: a list of words"), "{said}");
    }

    #[test]
    fn a_mistyped_key_is_told_with_the_nearest_known_one() {
        let said = |text: &str| ReleaseManifest::parse(text).unwrap_err().to_string();
        let mistyped = said("[run]\ncomand = 'x'");
        assert!(mistyped.ends_with("unknown key comand (did you mean command?)"), "{mistyped}");
        let strange = said("[run]\nxyz = 'x'");
        assert!(strange.contains("unknown key `xyz`, expected one of"), "{strange}");
    }

    #[test]
    fn a_release_toml_without_a_key_of_ours_is_another_tools() {
        let read = |text: &str| ReleaseManifest::read(ReleaseManifest::FILE, text);
        let others = "allow-branch = ['main']\n[[pre-release-replacements]]\nfile = 'x'\n";
        let keys = ["allow-branch", "pre-release-replacements"].map(str::to_owned).to_vec();
        assert_eq!(read(others), Ok(ManifestRead::OfAnotherTool(keys)));
        for text in ["", "# nothing\n", "name = 'x'\n"] {
            assert!(matches!(read(text), Ok(ManifestRead::Ours(_))), "{text}");
        }
        let mixed = read(&format!("name = 'x'\n{others}")).unwrap_err().to_string();
        assert!(mixed.contains("line 2, column 1: unknown key `allow-branch`"), "{mixed}");
        assert!(mixed.contains("swarm-release.toml"), "{mixed}");
        // What was meant for us is ours, and wrong.
        for text in ["nmae = 'x'", "versoin = '1'", "hook = 3", "[migration]", "name = ", "[biuld]"]
        {
            assert!(matches!(read(text), Err(ManifestError::Malformed { .. })), "{text}");
        }
        // Of the file that is ours alone, all must be.
        let own = ReleaseManifest::read(ReleaseManifest::OWN_FILE, others).unwrap_err();
        assert!(
            own.to_string().starts_with("read swarm-release.toml: line 1, column 1: "),
            "{own}"
        );
    }

    #[test]
    fn the_known_keys_are_those_of_the_struct() {
        let said = ReleaseManifest::parse("unheard-of = 1").unwrap_err().to_string();
        let (_, expected) = said.split_once("expected one of ").unwrap();
        let expected: Vec<_> = expected.split(", ").map(|key| key.trim_matches('`')).collect();
        assert_eq!(expected, ReleaseManifest::KEYS);
    }

    #[test]
    fn unknown_keys_and_control_characters_are_refused() {
        for bad in ["nmae = 'x'", "name = \"a\\u001b[2J\"", "version = ''", "[build]\ncmd = 'x'"] {
            assert!(ReleaseManifest::parse(bad).is_err(), "{bad}");
        }
    }
}
