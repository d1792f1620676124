//! Holds the manual, `docs/configuration.md`, to the configuration as it is.

use std::collections::BTreeSet;

use super::section_table::keys;
use super::{Config, has_errors, validate};

const MANUAL: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));

/// The page that adds the times up.
const HOW_LONG: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/how-long.md"));

/// The first block of TOML: the whole file.
fn example() -> &'static str {
    let (_, rest) = MANUAL.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// The part below a heading.
fn section(heading: &str) -> &'static str {
    let (_, rest) = MANUAL.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split_once("\n## ").map_or(rest, |(section, _)| section)
}

/// The keys in the first column of a section's tables, and the defaults in the second.
fn rows(section: &'static str) -> Vec<(&'static str, &'static str)> {
    section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        })
        .collect()
}

#[test]
fn the_example_is_a_configuration_without_errors() {
    let config = Config::parse(example()).unwrap();
    assert!(!has_errors(&validate(&config)), "{:#?}", validate(&config));
}

#[test]
fn every_key_is_explained_in_its_section_and_no_other() {
    for (heading, prefix) in [
        ("The daemon", ""),
        ("`[limits]`", "limits."),
        ("`[self]`", "self."),
        ("`[app.<name>]`", "app.*."),
        ("`[app.<name>.hooks]`", "app.*.hooks."),
        ("`[app.<name>.migrations]`", "app.*.migrations."),
        ("`[app.<name>.run]`", "app.*.run."),
        ("`[app.<name>.health]`", "app.*.health."),
    ] {
        let section = section(heading);
        let section = section.split("\n### ").next().unwrap();
        let explained: BTreeSet<_> = rows(section).into_iter().map(|(key, _)| key).collect();
        let all: Vec<String> = keys().collect();
        let known: BTreeSet<_> = all
            .iter()
            .filter_map(|key| key.strip_prefix(prefix))
            .filter(|rest| !rest.contains('.'))
            .collect();
        assert_eq!(explained, known, "{heading}");
    }
}

#[test]
fn the_defaults_in_the_manual_are_the_defaults() {
    let minimal = "[app.agent]\ninstall_dir = '/opt/agent'\n";
    for (heading, prefix) in [
        ("The daemon", ""),
        ("`[limits]`", "limits."),
        ("`[self]`", "self."),
        ("`[app.<name>]`", "app.agent."),
        ("`[app.<name>.run]`", "app.agent.run."),
        ("`[app.<name>.health]`", "app.agent.health."),
    ] {
        let section = section(heading).split("\n### ").next().unwrap();
        for (key, default) in rows(section) {
            let Some(value) = default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'))
            else {
                continue;
            };
            let text = format!("{prefix}{key} = {value}\n{}", required_after(prefix));
            let with = Config::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(with, Config::parse(minimal).unwrap(), "{prefix}{key} = {value}");
        }
    }
}

/// What else the file needs: a section that dotted keys have opened cannot be opened again.
fn required_after(prefix: &str) -> &'static str {
    if prefix.starts_with("app.") {
        "app.agent.install_dir = '/opt/agent'\n"
    } else {
        "[app.agent]\ninstall_dir = '/opt/agent'\n"
    }
}

#[test]
fn how_long_a_start_may_take_is_said_as_it_is() {
    let config = Config::parse("[app.agent]\ninstall_dir = '/opt/agent'\n").unwrap();
    let health = &config.apps.values().next().unwrap().health;
    let tries = health.interval.0 * health.attempts;
    let whole = health.warm_up.0 + tries + health.timeout.0;
    let sum = format!(
        "{} s + {} × {} s + {} s   =   {} s",
        health.warm_up.0.as_secs(),
        health.attempts,
        health.interval.0.as_secs(),
        health.timeout.0.as_secs(),
        whole.as_secs()
    );
    assert!(HOW_LONG.contains(&sum), "{sum}");
    let proven =
        format!("**{} s** until it answers at all, then {} s", whole.as_secs(), tries.as_secs());
    assert!(HOW_LONG.contains(&proven), "{proven}");
    assert_eq!(health.watch.0.as_secs(), 60, "the page says one minute");
}
