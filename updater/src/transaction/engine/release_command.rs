//! What a release has run around its switch: its hooks, and the commands of its migration. The hooks
//! are those of the release that an update goes to, or that a rollback leaves: it knows what it did,
//! and how that is undone.

use std::time::{Duration, Instant};

use common::failed_to;
use protocol::{Code, Digest, EventKind, Kind, Problem, ReleaseSlot};

use super::Engine;
use crate::hooks::{CommandContext, CommandError, Hook, run};
use crate::runner::{Behaviour, Launch};
use crate::sys::recorded_output::RecordedOutput;
use crate::transaction::machine::Direction;
use crate::transaction::{Failure, Ran, read_manifest};

impl Engine {
    /// Runs a hook. On the way back there is no other way: what fails there is noted, and no more.
    pub(super) fn run_hook(&mut self, hook: Hook) -> Result<(), Failure> {
        let Some(release) = self.newer() else { return Ok(()) };
        let settings = &self.app.settings;
        let timeout = settings.config.hooks_timeout.0;
        let command = read_manifest(&settings.layout.release(&release))
            .map(|manifest| hook.command(&settings.config, &manifest));
        let ran = match command {
            Ok(Some(command)) => {
                self.run_command(hook.into_str(), release, &command, timeout, None).map(drop)
            }
            command => command.map(drop),
        };
        match ran {
            Err(failure) if self.journal.direction == Direction::Back => {
                self.fail(failure);
                Ok(())
            }
            ran => ran,
        }
    }

    /// Runs the hook before anything is touched.
    pub(super) fn run_hook_before_anything(&mut self) -> Result<(), Failure> {
        let hook = if self.goes_to_newer() { Hook::BeforeSwitch } else { Hook::BeforeRollback };
        self.run_hook(hook).map_err(|failure| {
            // What the disk did not say is no fault of a hook.
            if failure.problem.code != Code::RolledBack {
                return failure;
            }
            Failure::host_problem(Problem { code: Code::HookFailed, ..*failure.problem })
        })
    }

    /// Runs the hook between one agent and the next.
    pub(super) fn run_hook_between_agents(&mut self) -> Result<(), Failure> {
        self.run_hook(if self.goes_to_newer() { Hook::AfterSwitch } else { Hook::AfterRollback })
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

    /// Runs a command of a release, and tells and keeps what came of it. The last line that it printed comes
    /// back.
    pub(super) fn run_command(
        &mut self,
        name: &str,
        release: Digest,
        command: &[String],
        timeout: Duration,
        backup: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let settings = &self.app.settings;
        let mut others = [self.journal.from, self.journal.to].into_iter().flatten();
        let previous = others.rfind(|digest| *digest != release);
        let context = CommandContext {
            config: &settings.config,
            user: settings.user.as_ref(),
            release: self.described(&release),
            previous: previous.map(|digest| self.described(&digest)),
            transaction: &self.journal.transaction,
            units: settings.hook_units.as_ref().filter(|_| settings.config.hooks_unit),
            backup,
        };
        let began = Instant::now();
        let mut printed = RecordedOutput::in_file(&settings.files.command_log());
        let ran = run(command, timeout, &context, &mut printed);
        let detail = match &ran {
            Ok(()) => "exited with status 0".to_owned(),
            Err(CommandError::Failed(how)) => how.clone(),
            Err(error) => failed_to(error),
        };
        let passed = ran.is_ok();
        let (output, last_line) = (printed.shown(), printed.last_line().map(str::to_owned));
        self.log_command(name, &detail, began.elapsed());
        let log = self.keep_command_log(name, passed, printed);
        let (kept_name, kept_detail) = (name.to_owned(), detail.clone());
        let kept = Ran { name: kept_name, detail: kept_detail, output: output.clone(), log };
        self.evidence.command(kept);
        if !passed && self.journal.direction == Direction::Back {
            self.add_to_evidence();
        }
        self.publish(EventKind::Command { name: name.to_owned(), passed, detail: detail.clone() });
        ran.map(|()| last_line).map_err(|error| {
            let detail = format!("{name} of {}: `{}` {detail}", release.short(), command.join(" "));
            let problem = Problem::new(Code::RolledBack, detail);
            match error {
                CommandError::Failed(_) => Failure::release_problem(Problem { output, ..problem }),
                CommandError::Host(_) | CommandError::User(_) => {
                    Failure::host_problem(Problem { output, ..problem })
                }
            }
        })
    }

    /// All that a command has printed is kept beside the evidence where it failed. Says under which name.
    fn keep_command_log(
        &self,
        name: &str,
        passed: bool,
        mut printed: RecordedOutput,
    ) -> Option<String> {
        if passed || !printed.flush() {
            printed.forget();
            return None;
        }
        let files = &self.app.settings.files;
        match self.evidence.take_command_log(name, &files.command_log(), &files.evidence()) {
            Ok(log) => Some(log),
            Err(error) => {
                let app = &self.app.settings.name;
                tracing::warn!("{app}: what {name} printed is not kept: {}", failed_to(&error));
                printed.forget();
                None
            }
        }
    }

    /// On the way back, what is known of the failure is kept already.
    fn add_to_evidence(&self) {
        let settings = &self.app.settings;
        if let Err(failure) = self.evidence.keep(&settings.files.evidence()) {
            let (app, why) = (&settings.name, failure.into_detail());
            tracing::warn!("{app}: the evidence could not be kept: {why}");
        }
    }

    /// What a command learns of a release.
    fn described(&self, digest: &Digest) -> Launch {
        let settings = &self.app.settings;
        Launch {
            release_path: settings.layout.release(digest),
            digest: *digest,
            version: settings.slot_release(ReleaseSlot::Store, digest).version,
            command: Vec::new(),
            environment: settings.config.run.env.clone(),
            behaviour: Behaviour::default(),
        }
    }
}
