//! Telling an agent that the updater started itself to follow another release, by a command of the
//! configuration.

use super::process::{ProcessRunner, Runner as _};
use super::record::Record;
use super::{Instance, Launch, Reload, RunnerError};
use crate::config::leads_to_active;
use crate::sys::spawn::Spawn;
use crate::sys::{BootTime, wall_clock};

impl Reload for ProcessRunner {
    /// What runs has to be what would be started. A program of one release would only fork itself for another.
    fn is_possible(&self, launch: &Launch) -> Result<bool, RunnerError> {
        let Some(start) = self.serving.read()? else { return Ok(false) };
        let is_same = start.command == launch.command && start.behaviour == launch.behaviour;
        if !is_same || self.former(&start, None).is_some() || self.find()?.is_none() {
            return Ok(false);
        }
        let spawn =
            Spawn::new(&launch.command, &launch.release_path, self.user()?, &launch.variables())?;
        let is_of_release = spawn.program.starts_with(&launch.release_path);
        Ok(!is_of_release && leads_to_active(&launch.command, &self.install))
    }

    fn reload(&self, launch: &Launch) -> Result<Instance, RunnerError> {
        let gone = || RunnerError::Follow(std::io::ErrorKind::NotFound.into());
        let record = self.serving.read()?.ok_or_else(gone)?;
        let instance = self.find()?.ok_or_else(gone)?;
        let command = self.reload.as_ref().ok_or_else(gone)?;
        // Written first: whatever becomes of the command, the release may be in force from now on.
        let record = Record {
            digest: launch.digest,
            version: launch.version.clone(),
            release_path: launch.release_path.clone(),
            started_at: wall_clock(),
            reloaded: Some(BootTime::next_tick()),
            ..record
        };
        self.serving.write(&record)?;
        let instance = instance.of_release(record);
        self.serving.follow(instance.clone());
        command.run(launch, instance.process().pid, self.user()?, "the agent")?;
        Ok(instance)
    }
}
