//! What a shell offers at the tab key: the apps of this host, and the releases that it keeps.
//!
//! The files say it; no daemon is asked, and what cannot be read offers nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::config::Config;
use crate::release::{Layout, read_record};

/// The command line, in which words that name something of this host offer what there is.
pub(super) fn with_candidates(command: Command) -> Command {
    command.mut_args(of_argument).mut_subcommands(with_candidates)
}

fn of_argument(argument: Arg) -> Arg {
    let offer: fn(&Config, &Typed) -> Vec<CompletionCandidate> = match argument.get_id().as_str() {
        "app" => apps,
        "to" => releases,
        _ => return argument,
    };
    argument.add(ArgValueCandidates::new(move || {
        let typed = Typed::of(std::env::args_os());
        Config::load(&typed.config).map(|config| offer(&config, &typed)).unwrap_or_default()
    }))
}

/// What was typed before.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    config: PathBuf,
    app: Option<String>,
}

impl Typed {
    fn of(words: impl Iterator<Item = OsString>) -> Self {
        let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
        let value = |name: &str| {
            let at = words.iter().position(|word| {
                word == name || word.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
            })?;
            let joined = words[at].split_once('=').map(|(_, value)| value.to_owned());
            // Some shells make words of `=`, too.
            joined.or_else(|| words.get(at + 1..)?.iter().find(|word| *word != "=").cloned())
        };
        Self {
            config: value("--config").map_or_else(|| super::args::CONFIG.into(), PathBuf::from),
            app: value("--app").filter(|app| !app.is_empty()),
        }
    }
}

fn apps(config: &Config, _typed: &Typed) -> Vec<CompletionCandidate> {
    config.apps.keys().map(|app| CompletionCandidate::new(app.as_str())).collect()
}

/// Those of the app that was named, or of all.
fn releases(config: &Config, typed: &Typed) -> Vec<CompletionCandidate> {
    let is_meant = |name: &str| typed.app.as_deref().is_none_or(|app| app == name);
    let meant = config.apps.iter().filter(|(name, _)| is_meant(name.as_str()));
    meant.flat_map(|(_, app)| of_layout(&Layout::new(&app.install_dir))).collect()
}

fn of_layout(layout: &Layout) -> Vec<CompletionCandidate> {
    let stored = layout.stored().unwrap_or_default();
    let candidate = |digest| {
        let record = read_record(&layout.release(&digest)).ok();
        let version = record.and_then(|record| record.version);
        CompletionCandidate::new(digest.short()).help(version.map(Into::into))
    };
    stored.into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        Typed::of(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_configuration_and_the_app_are_those_that_were_typed() {
        let usual = typed("updater -- updater rollback --to ");
        assert_eq!(usual, Typed { config: "/etc/updater/updater.toml".into(), app: None });
        let named = Typed { config: "a.toml".into(), app: Some("db".to_owned()) };
        assert_eq!(typed("updater -- updater rollback --config a.toml --app=db --to "), named);
        assert_eq!(typed("updater -- updater rollback --config = a.toml --app db --to "), named);
    }
}
