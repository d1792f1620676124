//! Bringing stored data to the form that a release needs, and back.
//!
//! What is to be applied is decided before anything is touched, and is in the journal from then on.
//! Each way goes from what is applied now, so that it can be gone again from anywhere.

use std::{fs, io};

use protocol::{Code, Digest, Problem};

use super::Engine;
use crate::hooks::Migration;
use crate::release::{Slot, make_durable};
use crate::sys::{checkpoint, wall_clock};
use crate::transaction::machine::Direction;
use crate::transaction::parts::foreign_data;
use crate::transaction::{
    Applied, Failure, MigrationPlan, MigrationState, Migrations, Next, read_manifest,
};

impl Engine {
    /// Decides what becomes of the data. Refuses to go back over what cannot be undone, unless that
    /// was said.
    pub(super) fn plan_migration(&mut self) -> Result<(), Failure> {
        let to = self.ordered_release()?;
        let stack = self.migrations()?;
        let own = self.migration(&to)?.map(|migration| Applied {
            digest: to,
            state: MigrationState::Done,
            reversible: migration.reversible,
            backup: None,
            at: wall_clock(),
        });
        let states = self.app.settings.release_states()?;
        let after = stack.wanted(&to, states.proven(&to), own);
        let torn = |one: &&Applied| one.state != MigrationState::Done;
        let torn = after.iter().find(torn).filter(|_| after.last() == stack.applied.last());
        if let Some(torn) = torn.filter(|_| !self.irreversible) {
            let detail = format!(
                "the migration of {} was begun and not finished; order that release again, or one \
                 with a migration of its own",
                torn.digest
            );
            return Err(Failure::host_problem(Problem::new(Code::Irreversible, detail)));
        }
        if after == stack.applied {
            return Ok(());
        }
        let blocked: Vec<&Applied> = stack
            .applied
            .iter()
            .filter(|one| !after.iter().any(|kept| kept.digest == one.digest))
            .filter_map(|one| self.can_undo(one).map(|can| (!can).then_some(one)).transpose())
            .collect::<Result<_, _>>()?;
        if !blocked.is_empty() && !self.irreversible {
            return Err(Failure::host_problem(self.no_way_back(&blocked)));
        }
        let done = |digest: &Digest| {
            stack
                .applied
                .iter()
                .any(|one| one.digest == *digest && one.state == MigrationState::Done)
        };
        let lasting = after.iter().any(|one| !one.reversible && !done(&one.digest));
        let other = self.journal.from.is_some_and(|from| from != to);
        // The agent has to be stopped meanwhile.
        self.journal.handover = false;
        self.journal.migration = Some(MigrationPlan {
            one_way: lasting && other && !self.irreversible,
            before: stack.applied,
            after,
            backup: None,
        });
        Ok(())
    }

    /// Stops the agent, so that nothing writes any more, and copies the data.
    pub(super) fn back_up(&mut self) -> Result<(), Failure> {
        self.stop_agent()?;
        checkpoint("agent_stopped");
        let Some(plan) = &self.journal.migration else { return Ok(()) };
        // The release that changes the data first knows where the data is.
        let release = match self.migrations()?.next(&plan.after) {
            Next::Down(first) | Next::Up(first) => first.digest,
            Next::Nothing => return Ok(()),
        };
        let Some(command) = self.migration(&release)?.and_then(|migration| migration.backup) else {
            return Ok(());
        };
        let last_line = self.change_data("backup", release, &command, None).map_err(|failure| {
            // Nothing of the release has been tried yet.
            Failure::host_problem(*failure.problem)
        })?;
        if let Some(plan) = &mut self.journal.migration {
            plan.backup = last_line;
        }
        Ok(())
    }

    /// Brings the data to the form that this direction needs.
    pub(super) fn migrate(&mut self) -> Result<(), Failure> {
        let Some(plan) = self.journal.migration.clone() else { return Ok(()) };
        let back = self.journal.direction == Direction::Back;
        if back {
            self.stop_agent()?;
        }
        let wanted = if back { &plan.before } else { &plan.after };
        loop {
            match self.migrations()?.next(wanted) {
                Next::Nothing => break,
                Next::Down(applied) => self.undo(&applied)?,
                Next::Up(applied) => {
                    // What could not be undone was not.
                    let kept = back && !applied.reversible;
                    self.apply(applied, !kept, &plan)?;
                }
            }
        }
        // Where nothing ran before, this is the last that is done.
        if back && self.journal.from.is_none() { self.run_hook_between_agents() } else { Ok(()) }
    }

    /// On the way back, the old release may find data that it could not run on before, either.
    pub(super) fn refuse_other_form(&self, release: &Digest) -> Result<(), Failure> {
        let settings = &self.app.settings;
        if self.journal.direction == Direction::Forward || settings.has_form_of(release)? {
            return Ok(());
        }
        let problem = Problem::new(Code::RollbackFailed, foreign_data(release));
        Err(Failure::release_problem(problem))
    }

    /// No agent runs on data that has another form, or none, until an operator or an order starts one.
    pub(super) fn keep_stopped_on_foreign_data(&mut self) {
        let active = self.app.settings.layout.slot(Slot::Active).ok().flatten();
        let fits = |active: Digest| self.app.settings.has_form_of(&active).unwrap_or(true);
        if active.is_none_or(fits) {
            return;
        }
        if let Err(failure) = self.stop_agent() {
            tracing::warn!("{}: {}", self.app.settings.name, failure.into_detail());
        }
        if let Err(error) = self.app.agent.note_stopped() {
            tracing::warn!(
                "{}: the agent could not be kept stopped: {error}",
                self.app.settings.name
            );
        }
    }

    /// Where the backups lie of what has been applied and cannot be undone, for people.
    pub(super) fn backups(&self) -> Option<String> {
        let now = self.migrations().ok()?;
        let before = &self.journal.migration.as_ref()?.before;
        let new = now.applied.iter().filter(|one| !before.contains(one));
        let said: Vec<_> = new.map(describe).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Remembers on which data the release was proven.
    pub(super) fn note_proven_on_data(&self, release: Digest) -> Result<(), Failure> {
        let path = self.app.settings.files.migrations();
        let mut now = Migrations::read(&path)?;
        if now.proved(release) {
            now.write(&path)?;
        }
        Ok(())
    }

    fn apply(&mut self, applied: Applied, run: bool, plan: &MigrationPlan) -> Result<(), Failure> {
        let digest = applied.digest;
        let mut begun = applied;
        if run {
            begun.state = MigrationState::Begun;
        }
        if begun.backup.is_none() {
            begun.backup.clone_from(&plan.backup);
        }
        let backup = begun.backup.clone();
        self.note(|stack| {
            stack.retain(|one| one.digest != digest);
            stack.push(begun);
        })?;
        checkpoint("migration_begun");
        if !run {
            return Ok(());
        }
        if let Some(migration) = self.migration(&digest)? {
            self.change_data("up", digest, &migration.up, backup.as_deref())?;
        }
        self.note(|stack| {
            if let Some(last) = stack.last_mut() {
                last.state = MigrationState::Done;
            }
        })?;
        checkpoint("migrated");
        Ok(())
    }

    fn undo(&mut self, applied: &Applied) -> Result<(), Failure> {
        let digest = applied.digest;
        if self.can_undo(applied)?
            && let Some(down) = self.migration(&digest)?.and_then(|migration| migration.down)
        {
            self.note(|stack| {
                if let Some(last) = stack.last_mut() {
                    last.state = MigrationState::Undoing;
                }
            })?;
            checkpoint("migration_begun");
            self.change_data("down", digest, &down, applied.backup.as_deref())?;
        }
        self.note(|stack| drop(stack.pop()))?;
        checkpoint("migrated");
        Ok(())
    }

    /// Runs a command that changes stored data or copies it. What it wrote is on the disk before
    /// anything is written down of it: a command that syncs nothing is the usual case.
    fn change_data(
        &mut self,
        name: &str,
        release: Digest,
        command: &[String],
        backup: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let timeout = self.app.settings.config.migrations_timeout.0;
        let last_line = self.run_command(name, release, command, timeout, backup)?;
        let shared = self.app.settings.layout.shared();
        // Any of them may lead to a disk of its own. Data that lies elsewhere is its server's matter.
        let links = self.app.settings.config.links.iter().filter(|link| link.ends_with('/'));
        for directory in links.map(|link| shared.join(link)).chain([shared.clone()]) {
            match fs::canonicalize(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => {
                    let directory = found?;
                    make_durable(&directory, self.app.settings.limits.sync_timeout.0)?;
                }
            }
        }
        Ok(last_line)
    }

    /// Whether its release is still here to undo it. A disk that does not say is no answer: what was
    /// taken for gone would be forgotten, and its data stay.
    fn can_undo(&self, applied: &Applied) -> Result<bool, Failure> {
        if !applied.reversible {
            return Ok(false);
        }
        Ok(self.app.settings.is_kept(&applied.digest)?)
    }

    fn note(&self, change: impl FnOnce(&mut Vec<Applied>)) -> Result<(), Failure> {
        let mut now = self.migrations()?;
        change(&mut now.applied);
        Ok(now.write(&self.app.settings.files.migrations())?)
    }

    fn migrations(&self) -> Result<Migrations, Failure> {
        Ok(Migrations::read(&self.app.settings.files.migrations())?)
    }

    fn migration(&self, digest: &Digest) -> Result<Option<Migration>, Failure> {
        let manifest = read_manifest(&self.app.settings.layout.release(digest))?;
        Ok(Migration::of(&self.app.settings.config, &manifest))
    }

    fn no_way_back(&self, blocked: &[&Applied]) -> Problem {
        let said: Vec<_> = blocked.iter().map(|one| describe(one)).collect();
        let detail = format!(
            "{}; --irreversible goes back over that all the same, and leaves the data as it is",
            said.join("; ")
        );
        Problem {
            from: self.journal.from,
            target: self.journal.to,
            ..Problem::new(Code::Irreversible, detail)
        }
    }
}

/// What cannot be undone, and what there is instead.
fn describe(applied: &Applied) -> String {
    let backup = match &applied.backup {
        Some(backup) => format!("its backup said: {backup}"),
        None => "it made no backup".to_owned(),
    };
    let short = applied.digest.short();
    if applied.reversible {
        return format!("the migration of {short} can be undone by that release alone, {backup}");
    }
    format!("the migration of {short} cannot be undone, {backup}")
}
