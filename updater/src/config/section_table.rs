//! The sections of the file, and the keys of each as its struct declares them: what unknown keys are
//! compared with, what wrong values are found by, and what the manual is held to.

use common::field_names;
use protocol::{HooksSection, MigrationsSection};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, ValueDeserializer};

use super::{AppConfig, Config, HealthConfig, LimitsConfig, RunConfig, SelfConfig};

/// One section. A `*` in its path stands for the name of an app.
pub(super) struct Section {
    pub(super) path: &'static str,
    names: fn() -> &'static [&'static str],
    check: fn(&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>) -> Result<(), String>,
}

/// All of them, in the order of the manual.
const SECTIONS: [Section; 8] = [
    section::<Config>(""),
    section::<LimitsConfig>("limits"),
    section::<SelfConfig>("self"),
    section::<AppConfig>("app.*"),
    section::<HooksSection>("app.*.hooks"),
    section::<MigrationsSection>("app.*.migrations"),
    section::<RunConfig>("app.*.run"),
    section::<HealthConfig>("app.*.health"),
];

const fn section<T: DeserializeOwned>(path: &'static str) -> Section {
    Section { path, names: field_names::<T>, check: check::<T> }
}

/// Whether a section may have this value at this key. All other keys of it have defaults.
fn check<T: DeserializeOwned>(
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), String> {
    let mut table = DeTable::new();
    table.insert(key.clone(), value.clone());
    let table = Spanned::new(value.span(), DeValue::Table(table));
    T::deserialize(ValueDeserializer::from(table))
        .map(drop)
        .map_err(|error| error.message().to_owned())
}

impl Section {
    /// The section of this path, if there is one.
    pub(super) fn find(path: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.path == path)
    }

    /// The names that may stand in it.
    pub(super) fn names(&self) -> &'static [&'static str] {
        (self.names)()
    }

    /// What is wrong with the value of one of its keys.
    pub(super) fn check(
        &self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), String> {
        (self.check)(key, value)
    }

    /// What was probably meant by an unknown name: the nearest one of this section, or the path of a
    /// key of just this name that belongs elsewhere.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        let similarity = |known: &str| strsim::jaro_winkler(known, name);
        let here =
            self.names().iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
        let elsewhere = || {
            let suffix = format!(".{name}");
            keys().find(|key| *key == name || key.ends_with(&suffix))
        };
        match here {
            Some(known) if similarity(known) >= 0.8 => Some((*known).to_owned()),
            _ => elsewhere()
                .map(|key| key.replace('*', "<name>"))
                .or(here.map(|known| (*known).to_owned())),
        }
    }
}

/// The path of every key, in the order of the manual.
pub(super) fn keys() -> impl Iterator<Item = String> {
    SECTIONS.iter().flat_map(|section| {
        let paths = section.names().iter().map(|name| join(section.path, name));
        paths.filter(|path| !is_section(path))
    })
}

/// Whether a path is that of a section, or of what the sections of all apps are in.
pub(super) fn is_section(path: &str) -> bool {
    path == APPS || Section::find(path).is_some()
}

/// Whether a section may be written as a command instead.
pub(super) fn is_command_or_section(path: &str) -> bool {
    path == "app.*.run"
}

/// What the sections of apps are in, each under its app's name.
pub(super) const APPS: &str = "app";

pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_keys_and_is_one_of_the_section_above() {
        for section in &SECTIONS {
            assert!(!section.names().is_empty(), "{}", section.path);
            let Some((above, name)) = section.path.rsplit_once('.').or(Some(("", section.path)))
            else {
                continue;
            };
            if !name.is_empty() && name != "*" {
                assert!(Section::find(above).unwrap().names().contains(&name), "{}", section.path);
            }
        }
        assert!(Section::find("").unwrap().names().contains(&APPS));
    }

    #[test]
    fn the_nearest_key_is_of_the_same_section_or_of_the_same_name() {
        let nearest = |section, name| Section::find(section).unwrap().nearest(name);
        assert_eq!(nearest("", "lisen").as_deref(), Some("listen"));
        assert_eq!(nearest("app.*", "instal_dir").as_deref(), Some("install_dir"));
        assert_eq!(nearest("app.*.health", "intervall").as_deref(), Some("interval"));
        assert_eq!(nearest("app.*", "attempts").as_deref(), Some("app.<name>.health.attempts"));
    }
}
