//! What systemd knows of a unit at one moment, and what that comes to. Pure.

use std::ops::RangeInclusive;

use nix::sys::signal::Signal;

/// How a main process ended, in `ExecMainCode` (`si_code` of sigaction(2)).
const EXITED: i32 = 1;
const KILLED: i32 = 2;
const DUMPED: i32 = 3;
/// Exit statuses by which systemd says that it could not execute the command (systemd.exec(5)).
const NOT_EXECUTED: RangeInclusive<i32> = 200..=245;

/// Whether there is a unit of the name that can be started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Load {
    Loaded,
    /// An administrator has forbidden it.
    Masked,
    /// No unit file has the name.
    #[default]
    Missing,
    /// There is a file, and systemd cannot use it; its word for why.
    Unusable(String),
}

/// A unit at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// Its own name, where it was asked for by another one that it has.
    pub id: String,
    /// Whether it can be started.
    pub load: Load,
    /// Why it cannot be, if systemd says so.
    pub load_error: String,
    /// `active`, `activating`, `failed` …
    pub active: String,
    /// The same more closely, by kind of unit: `running`, `auto-restart`, `listening` …
    pub sub: String,
    /// Which of its starts this is; empty before the first.
    pub invocation: String,
    /// Of a service, how its last run ended: `success`, `exit-code`, `start-limit-hit` …
    pub result: String,
    /// Of a service, `simple`, `notify`, `oneshot` …
    pub kind: String,
    /// Of a service, how often systemd has started it again by itself.
    pub restarts: u32,
    /// Of a service, its main process; 0 if there is none.
    pub main_pid: u32,
    /// Of a service, the control group that its processes are in; empty if there are none.
    pub control_group: String,
    /// Of a service, `ExecMainCode` and `ExecMainStatus`.
    pub exit: (i32, i32),
    /// Of a service, whether it can be told to read its configuration again.
    pub can_reload: bool,
    /// Of a service, its commands of `ExecStartPre=`.
    pub before: Vec<FirstCommand>,
    /// Of a service, whether it was going down before its main process ended, and not because of that.
    pub was_told_to_end: bool,
}

/// A command that runs before a service's main process, and how it last ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstCommand {
    pub program: String,
    /// As of a main process.
    pub exit: (i32, i32),
}

impl From<String> for Load {
    fn from(word: String) -> Self {
        match word.as_str() {
            "loaded" => Self::Loaded,
            "masked" => Self::Masked,
            "not-found" => Self::Missing,
            _ => Self::Unusable(word),
        }
    }
}

impl UnitState {
    /// Whether it is up.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether it is neither up nor on its way there or from there.
    pub fn is_down(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }

    /// Whether it is stopped, or being stopped, by an order, and not by systemd's own judgement of it.
    pub fn was_stopped(&self) -> bool {
        let told = match self.active.as_str() {
            "deactivating" => self.was_told_to_end || self.main_pid != 0,
            "inactive" => self.was_told_to_end,
            _ => false,
        };
        told && self.result == "success"
    }

    /// Whether it does its work and is done, as migrations and the like do.
    pub fn is_oneshot(&self) -> bool {
        self.kind == "oneshot"
    }

    /// Whether its command was executed, and has ended by itself. To systemd, one that ended before it
    /// looked has failed to start.
    pub fn has_run(&self) -> bool {
        let by_itself = self.result != "timeout";
        match self.exit {
            (EXITED, status) => by_itself && !NOT_EXECUTED.contains(&status),
            (KILLED | DUMPED, _) => by_itself,
            _ => false,
        }
    }

    /// Why it cannot be started, if it cannot be.
    pub fn unusable(&self) -> Option<String> {
        match &self.load {
            Load::Loaded => None,
            Load::Masked => {
                Some("is masked: `systemctl unmask` lets it be started again".to_owned())
            }
            Load::Missing => Some("has no unit file".to_owned()),
            Load::Unusable(word) if self.load_error.is_empty() => Some(format!("is {word}")),
            Load::Unusable(word) => Some(format!("is {word}: {}", self.load_error)),
        }
    }

    /// How it stands, in words that follow the unit's name.
    pub fn describe(&self) -> String {
        let ended = self.how_it_ended();
        match (self.active.as_str(), self.sub.as_str()) {
            ("activating", "auto-restart") => match ended {
                Some(how) => format!("{how}, and systemd starts it again"),
                None => "ended, and systemd starts it again".to_owned(),
            },
            ("activating", sub) => format!("is still starting ({sub})"),
            ("failed" | "inactive", _) => ended.unwrap_or_else(|| format!("is {}", self.active)),
            (active, sub) => format!("is {active} ({sub})"),
        }
    }

    /// How its last process ended, in words; unknown of one that systemd has forgotten.
    pub fn how_it_ended(&self) -> Option<String> {
        let process = exit_words(self.exit).or_else(|| self.what_came_before());
        match (self.result.as_str(), process) {
            ("" | "success" | "exit-code" | "signal" | "core-dump", process) => process,
            (result, Some(process)) => Some(format!("{process} ({result})")),
            (result, None) => Some(format!("failed ({result})")),
        }
    }

    /// How one of its first commands failed, so that its main process was never started.
    fn what_came_before(&self) -> Option<String> {
        let failed = self.before.iter().find(|command| !matches!(command.exit, (0 | EXITED, 0)))?;
        Some(format!(
            "did not start: its ExecStartPre={} {}",
            failed.program,
            exit_words(failed.exit)?
        ))
    }
}

/// How a process ended, in words.
fn exit_words(exit: (i32, i32)) -> Option<String> {
    match exit {
        (EXITED, status) => Some(format!("exited with status {status}")),
        (KILLED | DUMPED, number) => Some(match Signal::try_from(number) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {number}"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(active: &str, sub: &str, result: &str, exit: (i32, i32)) -> UnitState {
        let (active, sub, result) = (active.into(), sub.into(), result.into());
        UnitState { load: Load::Loaded, active, sub, result, exit, ..UnitState::default() }
    }

    #[test]
    fn a_unit_that_cannot_be_started_says_why() {
        let loaded = |word: &str, error: &str| UnitState {
            load: word.to_owned().into(),
            load_error: error.to_owned(),
            ..UnitState::default()
        };
        assert_eq!(loaded("loaded", "").unusable(), None);
        assert!(loaded("masked", "").unusable().unwrap().contains("unmask"));
        assert_eq!(loaded("not-found", "x").unusable().unwrap(), "has no unit file");
        let bad = loaded("bad-setting", "Unit a.service lacks both ExecStart= and ExecStop=");
        assert!(bad.unusable().unwrap().starts_with("is bad-setting: Unit a.service lacks"));
    }

    #[test]
    fn what_ended_before_systemd_looked_has_run() {
        for (result, exit, has_run) in [
            ("exit-code", (1, 5), true),
            ("success", (1, 0), true),
            ("signal", (2, 9), true),
            ("core-dump", (3, 11), true),
            ("exit-code", (1, 203), false),
            ("timeout", (2, 15), false),
            ("resources", (0, 0), false),
        ] {
            assert_eq!(state("failed", "failed", result, exit).has_run(), has_run, "{result}");
        }
    }

    #[test]
    fn what_failed_before_the_main_process_is_named() {
        let command = |program: &str, exit| FirstCommand { program: program.to_owned(), exit };
        let before = vec![command("/bin/true", (1, 0)), command("/bin/mount", (1, 32))];
        let state = UnitState { before, ..state("failed", "failed", "exit-code", (0, 0)) };
        assert_eq!(
            state.describe(),
            "did not start: its ExecStartPre=/bin/mount exited with status 32"
        );
        assert!(!state.has_run());
    }

    #[test]
    fn how_a_unit_stands_is_one_plain_sentence() {
        for (state, words) in [
            (state("failed", "failed", "exit-code", (1, 3)), "exited with status 3"),
            (state("failed", "failed", "signal", (2, 9)), "was killed by SIGKILL"),
            (state("failed", "failed", "watchdog", (3, 6)), "was killed by SIGABRT (watchdog)"),
            (state("failed", "failed", "start-limit-hit", (0, 0)), "failed (start-limit-hit)"),
            (
                state("activating", "auto-restart", "exit-code", (1, 1)),
                "exited with status 1, and systemd starts it again",
            ),
            (state("activating", "start", "success", (0, 0)), "is still starting (start)"),
            (state("inactive", "dead", "success", (1, 0)), "exited with status 0"),
            (state("inactive", "dead", "success", (0, 0)), "is inactive"),
            (state("active", "running", "success", (0, 0)), "is active (running)"),
        ] {
            assert_eq!(state.describe(), words);
        }
    }
}
