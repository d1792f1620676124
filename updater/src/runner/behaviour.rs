//! How a program wants to be ended, and whether it goes to the background: the host's configuration wins over
//! what the release says.

use std::path::PathBuf;

use protocol::{KillMode, RunSection, StopSignal};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::RunnerError;
use crate::config::RunConfig;

/// How one start of a program behaves. It is written down with the start: the release that
/// is stopped says it, and not the one that follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    pub(super) stop_signal: StopSignal,
    pub(super) kill_mode: KillMode,
    /// It goes to the background, and writes the number of the process that stays to this file of the release.
    pub(super) pid_file: Option<PathBuf>,
}

impl Behaviour {
    /// As the host's configuration has it, and else the release.
    pub fn of(config: &RunConfig, manifest: Option<&RunSection>) -> Result<Self, RunnerError> {
        let forks = config.forks.or_else(|| manifest?.forks).unwrap_or(false);
        let pid_file =
            config.pid_file.clone().or_else(|| Some(manifest?.pid_file.as_ref()?.into()));
        if forks && pid_file.is_none() {
            return Err(RunnerError::NoPidFile);
        }
        Ok(Self {
            pid_file: pid_file.filter(|_| forks),
            stop_signal: config.stop_signal.or_else(|| manifest?.stop_signal).unwrap_or_default(),
            kill_mode: config.kill_mode.or_else(|| manifest?.kill_mode).unwrap_or_default(),
        })
    }

    /// The signal that asks it to end.
    pub(super) fn signal(&self) -> Signal {
        match self.stop_signal {
            StopSignal::Hup => Signal::HUP,
            StopSignal::Int => Signal::INT,
            StopSignal::Quit => Signal::QUIT,
            StopSignal::Abrt => Signal::ABORT,
            StopSignal::Kill => Signal::KILL,
            StopSignal::Usr1 => Signal::USR1,
            StopSignal::Usr2 => Signal::USR2,
            StopSignal::Alrm => Signal::ALARM,
            StopSignal::Term => Signal::TERM,
            StopSignal::Winch => Signal::WINCH,
            StopSignal::Pwr => Signal::POWER,
        }
    }

    /// The value of `KillMode=` for a unit that is made for it (systemd.kill(5)).
    pub(super) const fn unit_kill_mode(&self) -> &'static str {
        match self.kill_mode {
            KillMode::Mixed => "mixed",
            KillMode::Group => "control-group",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_wins_over_the_release_key_by_key() {
        let release = RunSection {
            stop_signal: Some(StopSignal::Quit),
            kill_mode: Some(KillMode::Group),
            ..RunSection::default()
        };
        let plain = RunConfig::default();
        assert_eq!(Behaviour::of(&plain, None).unwrap(), Behaviour::default());
        let own = Behaviour::of(&plain, Some(&release)).unwrap();
        assert_eq!((own.signal(), own.unit_kill_mode()), (Signal::QUIT, "control-group"));
        let host = RunConfig { stop_signal: Some(StopSignal::Int), ..RunConfig::default() };
        let both = Behaviour::of(&host, Some(&release)).unwrap();
        assert_eq!((both.signal(), both.kill_mode), (Signal::INT, KillMode::Group));
        let release =
            RunSection { pid_file: Some("run/x.pid".to_owned()), ..RunSection::default() };
        assert_eq!(Behaviour::of(&plain, Some(&release)).unwrap().pid_file, None);
        let host = RunConfig { forks: Some(true), ..RunConfig::default() };
        let both = Behaviour::of(&host, Some(&release)).unwrap();
        assert_eq!(both.pid_file, Some("run/x.pid".into()));
        assert!(matches!(Behaviour::of(&host, None), Err(RunnerError::NoPidFile)));
    }
}
