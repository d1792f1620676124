//! A release's migration, with what the host says of it.

use protocol::{Command, MigrationsSection, ReleaseManifest};

use crate::config::AppConfig;

/// How stored data gets a release's form, and the form before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Brings it to this release's form.
    pub up: Vec<String>,
    pub down: Option<Vec<String>>,
    pub backup: Option<Vec<String>>,
    /// Whether the release before can run again, after `down` if there is one.
    pub reversible: bool,
}

impl Migration {
    /// The migration of a release, if it has one.
    pub fn of(config: &AppConfig, manifest: &ReleaseManifest) -> Option<Self> {
        let none = MigrationsSection::default();
        let own = manifest.migrations.as_ref().unwrap_or(&none);
        let host = &config.migrations;
        let words = |host: &Option<Command>, own: &Option<Command>| {
            let command = host.as_ref().or(own.as_ref())?;
            (!command.0.is_empty()).then(|| command.0.clone())
        };
        let down = words(&host.down, &own.down);
        Some(Self {
            up: words(&host.up, &own.up)?,
            backup: words(&host.backup, &own.backup),
            reversible: host.reversible.or(own.reversible).unwrap_or(down.is_some()),
            down,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Migration> {
        Migration::of(&AppConfig::new("/x"), &ReleaseManifest::parse(text).unwrap())
    }

    #[test]
    fn what_has_no_way_back_says_so() {
        assert_eq!(of("[migrations]\ndown = 'd'"), None);
        assert!(!of("[migrations]\nup = 'u'").unwrap().reversible);
        assert!(of("[migrations]\nup = 'u'\ndown = 'd'").unwrap().reversible);
        assert!(!of("[migrations]\nup = 'u'\ndown = 'd'\nreversible = false").unwrap().reversible);
        // The release before bears the new form.
        assert!(of("[migrations]\nup = 'u'\nreversible = true").unwrap().reversible);
    }
}
