//! Every key that the file may have, with the type of its value: what unknown keys are compared
//! with, what wrong values are found by, and what the manual is held to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{Bytes, Command, Period};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::{BuildSetting, ListenSocket, RunnerKind, Strategy};
use crate::trust::TrustedKey;

type Check = fn(&Spanned<DeValue<'_>>) -> Result<(), String>;

/// One key. A `*` in its path stands for the name of an app.
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) check: Check,
}

/// All of them, in the order of the manual.
pub(super) const KEYS: &[Key] = &[
    key("listen", is::<String>),
    key("identity", is::<PathBuf>),
    key("state_dir", is::<PathBuf>),
    key("require_epoch", is::<bool>),
    key("limits.archive_bytes", is::<Bytes>),
    key("limits.unpacked_bytes", is::<Bytes>),
    key("limits.entries", is::<u64>),
    key("limits.connections", is::<usize>),
    key("limits.handshake_timeout", is::<Period>),
    key("limits.header_timeout", is::<Period>),
    key("limits.body_timeout", is::<Period>),
    key("limits.receive_timeout", is::<Period>),
    key("limits.longest_watch", is::<Period>),
    key("limits.sync_timeout", is::<Period>),
    key("limits.drill_timeout", is::<Period>),
    key("limits.reserve_bytes", is::<Bytes>),
    key("limits.reserve_inodes", is::<u64>),
    key("self.install_dir", is::<PathBuf>),
    key("self.takeover_timeout", is::<Period>),
    key("self.keep", is::<usize>),
    key("self.trusted_keys", is::<Vec<TrustedKey>>),
    key("app.*.install_dir", is::<PathBuf>),
    key("app.*.keep", is::<usize>),
    key("app.*.trusted_keys", is::<Vec<TrustedKey>>),
    key("app.*.user", is::<String>),
    key("app.*.links", is::<Vec<String>>),
    key("app.*.build", is::<BuildSetting>),
    key("app.*.build_timeout", is::<Period>),
    key("app.*.build_unit", is::<bool>),
    key("app.*.build_network", is::<bool>),
    key("app.*.build_env", is::<BTreeMap<String, String>>),
    key("app.*.build_memory", is::<Bytes>),
    key("app.*.build_output", is::<Bytes>),
    key("app.*.build_processes", is::<u64>),
    key("app.*.build_open_files", is::<u64>),
    key("app.*.build_file_size", is::<Bytes>),
    key("app.*.confirm_window", is::<Period>),
    key("app.*.hooks_timeout", is::<Period>),
    key("app.*.hooks_unit", is::<bool>),
    key("app.*.migrations_timeout", is::<Period>),
    key("app.*.hooks.before_switch", is::<Command>),
    key("app.*.hooks.after_switch", is::<Command>),
    key("app.*.hooks.before_rollback", is::<Command>),
    key("app.*.hooks.after_rollback", is::<Command>),
    key("app.*.hooks.drain", is::<Command>),
    key("app.*.hooks.undrain", is::<Command>),
    key("app.*.hooks.activate", is::<Command>),
    key("app.*.migrations.up", is::<Command>),
    key("app.*.migrations.down", is::<Command>),
    key("app.*.migrations.backup", is::<Command>),
    key("app.*.migrations.reversible", is::<bool>),
    key("app.*.run.kind", is::<RunnerKind>),
    key("app.*.run.command", is::<Command>),
    key("app.*.run.units", is::<Vec<String>>),
    key("app.*.run.transient", is::<bool>),
    key("app.*.run.unit_files", is::<Vec<String>>),
    key("app.*.run.start_timeout", is::<Period>),
    key("app.*.run.bus_timeout", is::<Period>),
    key("app.*.run.strategy", is::<Strategy>),
    key("app.*.run.sockets", is::<Vec<ListenSocket>>),
    key("app.*.run.env", is::<BTreeMap<String, String>>),
    key("app.*.run.stop_grace", is::<Period>),
    key("app.*.run.kill_timeout", is::<Period>),
    key("app.*.run.drain_timeout", is::<Period>),
    key("app.*.run.log_bytes", is::<Bytes>),
    key("app.*.run.backoff", is::<Period>),
    key("app.*.run.backoff_max", is::<Period>),
    key("app.*.health.url", is::<String>),
    key("app.*.health.tcp", is::<String>),
    key("app.*.health.command", is::<Command>),
    key("app.*.health.ready_url", is::<String>),
    key("app.*.health.ready_timeout", is::<Period>),
    key("app.*.health.release_pointer", is::<String>),
    key("app.*.health.identity", is::<PathBuf>),
    key("app.*.health.verify", is::<bool>),
    key("app.*.health.anonymous", is::<bool>),
    key("app.*.health.warm_up", is::<Period>),
    key("app.*.health.attempts", is::<u32>),
    key("app.*.health.interval", is::<Period>),
    key("app.*.health.timeout", is::<Period>),
    key("app.*.health.passes", is::<u32>),
    key("app.*.health.watch", is::<Period>),
    key("app.*.health.watch_failures", is::<u32>),
];

const fn key(path: &'static str, check: Check) -> Key {
    Key { path, check }
}

fn is<T: DeserializeOwned>(value: &Spanned<DeValue<'_>>) -> Result<(), String> {
    T::deserialize(ValueDeserializer::from(value.clone()))
        .map(drop)
        .map_err(|error| error.message().to_owned())
}

/// The names that may stand in a section (`""` for the top), each once.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    names.dedup();
    names
}

/// What was probably meant by an unknown name: the nearest one of its section, or the path of a
/// key of just this name that belongs elsewhere.
pub(super) fn nearest(section: &str, name: &str) -> Option<String> {
    let similarity = |known: &str| strsim::jaro_winkler(known, name);
    let here = names_in(section)
        .into_iter()
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    let elsewhere = || {
        let suffix = format!(".{name}");
        KEYS.iter().find(|key| key.path == name || key.path.ends_with(&suffix))
    };
    match here {
        Some(known) if similarity(known) >= 0.8 => Some(known.to_owned()),
        _ => elsewhere().map(|key| key.path.replace('*', "<name>")).or(here.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use protocol::{HooksSection, MigrationsSection};
    use serde::Deserialize;
    use serde::de::value::Error as ValueError;
    use serde::de::{Deserializer, Error as _, Visitor};

    use super::super::{AppConfig, Config, HealthConfig, LimitsConfig, RunConfig, SelfConfig};
    use super::*;

    /// Asks a type for the names of its fields, by pretending to deserialize it.
    struct FieldNames;

    impl<'de> Deserializer<'de> for FieldNames {
        type Error = ValueError;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
            Err(ValueError::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, ValueError> {
            Err(ValueError::custom(fields.join(" ")))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn fields<T: for<'de> Deserialize<'de>>(section: &str) -> BTreeSet<String> {
        let Err(names) = T::deserialize(FieldNames) else { panic!("{section} is no struct") };
        let names = names.to_string();
        names
            .split(' ')
            .map(|name| if section.is_empty() { name.into() } else { format!("{section}.{name}") })
            .collect()
    }

    #[test]
    fn the_table_has_every_key_of_the_model_and_no_other() {
        let mut model = fields::<Config>("");
        model.extend(fields::<LimitsConfig>("limits"));
        model.extend(fields::<SelfConfig>("self"));
        model.extend(fields::<AppConfig>("app.*"));
        model.extend(fields::<HooksSection>("app.*.hooks"));
        model.extend(fields::<MigrationsSection>("app.*.migrations"));
        model.extend(fields::<RunConfig>("app.*.run"));
        model.extend(fields::<HealthConfig>("app.*.health"));
        let of_apps = ["app.*.hooks", "app.*.migrations", "app.*.run", "app.*.health"];
        for section in ["limits", "self", "app"].into_iter().chain(of_apps) {
            assert!(model.remove(section), "{section}");
        }
        let table: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
        assert_eq!(table, model);
    }

    #[test]
    fn the_nearest_key_is_of_the_same_section_or_of_the_same_name() {
        assert_eq!(nearest("", "lisen").as_deref(), Some("listen"));
        assert_eq!(nearest("app.*", "instal_dir").as_deref(), Some("install_dir"));
        assert_eq!(nearest("app.*.health", "intervall").as_deref(), Some("interval"));
        assert_eq!(nearest("app.*", "attempts").as_deref(), Some("app.<name>.health.attempts"));
    }
}
