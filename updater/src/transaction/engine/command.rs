//! What a release has run around its switch. The hooks are those of the release that an update goes
//! to, or that a rollback leaves: it knows what it did, and how that is undone.

use std::time::{Duration, Instant};

use common::failed_to;
use protocol::{Code, Digest, EventKind, Kind, Problem};

use crate::hooks::{CommandContext, CommandError, Hook, run};
use crate::runner::Launch;
use crate::transaction::evidence::Ran;
use crate::transaction::machine::Direction;
use crate::transaction::{Failure, read_manifest};

use super::Engine;

impl Engine {
    /// Runs a hook. On the way back there is no other way: what fails there is noted, and no more.
    pub(in crate::transaction) fn hook(&mut self, hook: Hook) -> Result<(), Failure> {
        let Some(release) = self.newer() else { return Ok(()) };
        let ran = read_manifest(&self.app.layout.release(&release)).and_then(|manifest| match hook
            .command(&self.app.config, &manifest)
        {
            Some(command) => {
                let timeout = self.app.config.hooks_timeout.0;
                self.command(hook.name(), release, &command, timeout, None).map(drop)
            }
            None => Ok(()),
        });
        match ran {
            Err(failure) if self.journal.direction == Direction::Back => {
                self.fail(failure);
                Ok(())
            }
            ran => ran,
        }
    }

    /// Runs the hooks before anything is touched.
    pub(super) fn announce_to_release(&mut self) -> Result<(), Failure> {
        let hook = if self.goes_to_newer() { Hook::BeforeSwitch } else { Hook::BeforeRollback };
        self.hook(hook).map_err(|failure| {
            // What the disk did not say is no fault of a hook.
            if failure.problem.code != Code::RolledBack {
                return failure;
            }
            Failure::host_problem(Problem { code: Code::HookFailed, ..*failure.problem })
        })
    }

    /// Runs the hooks between one agent and the next.
    pub(super) fn tell_release(&mut self) -> Result<(), Failure> {
        self.hook(if self.goes_to_newer() { Hook::AfterSwitch } else { Hook::AfterRollback })
    }

    /// Whether this direction goes to the release whose hooks are run.
    pub(super) fn goes_to_newer(&self) -> bool {
        (self.journal.direction == Direction::Forward) != (self.journal.kind == Kind::Rollback)
    }

    /// The release whose hooks are run.
    fn newer(&self) -> Option<Digest> {
        match self.journal.kind {
            Kind::Stage | Kind::SelfUpdate => None,
            Kind::Update => self.journal.to,
            Kind::Rollback => self.journal.from,
        }
    }

    /// Runs a command of a release, and tells and keeps what came of it. Its last lines come back.
    pub(super) fn command(
        &mut self,
        name: &str,
        release: Digest,
        command: &[String],
        timeout: Duration,
        backup: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let mut others = [self.journal.from, self.journal.to].into_iter().flatten();
        let previous = others.rfind(|digest| *digest != release);
        let surroundings = CommandContext {
            config: &self.app.config,
            user: self.app.user.as_ref(),
            release: self.surrounding(&release),
            previous: previous.map(|digest| self.surrounding(&digest)),
            transaction: &self.journal.transaction,
            units: self.app.hook_units.as_ref().filter(|_| self.app.config.hooks_unit),
            backup,
        };
        let began = Instant::now();
        let ran = run(command, timeout, &surroundings);
        let (detail, output) = match &ran {
            Ok(tail) => ("exited with status 0".to_owned(), tail.clone()),
            Err(CommandError::Failed { how, tail }) => (how.clone(), tail.clone()),
            Err(error) => (failed_to(error), Vec::new()),
        };
        let passed = ran.is_ok();
        self.log_ran(name, &detail, began.elapsed());
        self.evidence.command(Ran { name: name.to_owned(), detail: detail.clone(), output });
        self.tell(EventKind::Command { name: name.to_owned(), passed, detail: detail.clone() });
        ran.map_err(|error| {
            let detail = format!("{name} of {}: `{}` {detail}", release.short(), command.join(" "));
            let problem = Problem::new(Code::RolledBack, detail);
            match error {
                CommandError::Failed { tail, .. } => {
                    Failure::release_problem(Problem { output: tail, ..problem })
                }
                CommandError::Host(_) | CommandError::User(_) => Failure::host_problem(problem),
            }
        })
    }

    /// What a command learns of a release.
    fn surrounding(&self, digest: &Digest) -> Launch {
        Launch {
            release_path: self.app.layout.release(digest),
            digest: *digest,
            version: self.app.slot_release("store", digest).version,
            command: Vec::new(),
            environment: self.app.config.run.env.clone(),
        }
    }
}
