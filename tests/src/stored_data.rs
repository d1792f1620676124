//! Releases that change the form of stored data, and whether the data has the form that is written down.

use std::fs;

use anyhow::{Result, ensure};
use updater::transaction::{MigrationState, Migrations};

use crate::{Behaviour, Host, Setup, Tree};

/// Every moment at which a release may have something run, and how its data gets another form.
const MANIFEST: &str = "[migrations]\nup = 'bin/up'\ndown = 'bin/down'\n\
    [hooks]\nbefore_switch = 'bin/hook'\nafter_switch = 'bin/hook'\n\
    before_rollback = 'bin/hook'\nafter_rollback = 'bin/hook'\n";

impl Setup {
    /// With a directory for what [`Tree::migrating`] stores.
    #[must_use]
    pub fn stores_data(self) -> Self {
        self.app("links", "['data/']")
    }
}

impl Tree {
    /// One of [`Tree::agent`] with hooks, and with migrations: its digest is among the forms of the
    /// data, and is taken away again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn migrating(behaviour: &Behaviour) -> Result<Self> {
        let tree = Self::agent(behaviour)?;
        let up = "grep -qsx $RELEASE_DIGEST data/forms || echo $RELEASE_DIGEST >> data/forms";
        let down = "grep -vsx $RELEASE_DIGEST data/forms > data/new; mv data/new data/forms";
        tree.file("release.toml", MANIFEST)?;
        for (name, script) in [("up", up), ("down", down), ("hook", "test -d data")] {
            tree.program(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"))?;
        }
        Ok(tree)
    }
}

impl Host {
    /// Looks whether stored data has been through what is written down, and nothing is half done.
    ///
    /// # Errors
    /// When it has not.
    pub fn data_fits(&self) -> Result<()> {
        let applied = Migrations::read(&self.state().join("migrations.json"))?.applied;
        let forms =
            fs::read_to_string(self.install().join("shared/data/forms")).unwrap_or_default();
        let written: Vec<_> = applied.iter().map(|one| one.digest.to_string()).collect();
        let seen: Vec<_> = forms.lines().map(str::to_owned).collect();
        ensure!(written == seen, "migrations.json says {written:?}, the data {seen:?}");
        let half = applied.iter().find(|one| one.state != MigrationState::Done);
        ensure!(half.is_none(), "half done: {half:?}");
        Ok(())
    }
}
