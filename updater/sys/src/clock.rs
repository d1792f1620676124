//! The two clocks: the wall's, for people, and the machine's, for deadlines.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A moment since the machine was started. Its clock goes on through a suspend and cannot be set, and
/// the moment means nothing after a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTime {
    /// Which boot (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// Milliseconds since then (`CLOCK_BOOTTIME`).
    pub millis: u64,
}

impl BootTime {
    pub fn now() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_default();
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default();
        Self { boot_id, millis: u64::try_from(now.as_millis()).unwrap_or(u64::MAX) }
    }

    /// How much has passed since `earlier`; `None` if the machine was started anew since.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        (self.boot_id == earlier.boot_id)
            .then(|| Duration::from_millis(self.millis.saturating_sub(earlier.millis)))
    }
}

/// Clock ticks a second in what the kernel tells programs, on every machine (`USER_HZ`, time(7)).
const TICKS: u64 = 100;

impl BootTime {
    /// As the start times of processes are told: every process that is started after this moment, and none that was
    /// before it, has this one or a later one.
    #[expect(
        clippy::disallowed_methods,
        reason = "a tick is a tenth of a blink, and no event ends it"
    )]
    pub fn next_tick() -> u64 {
        let begun = Self::now().millis * TICKS / 1000;
        loop {
            std::thread::sleep(Duration::from_millis(2));
            let now = Self::now().millis * TICKS / 1000;
            if now > begun {
                return now;
            }
        }
    }
}

/// The wall clock, for what people read. It may jump: nothing is decided by it.
pub fn wall_clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_those_that_began_before_a_tick() {
        let tick = BootTime::next_tick();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = crate::proc::stat(child.id()).unwrap().start_time;
        let own = crate::proc::stat(std::process::id()).unwrap().start_time;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(own < tick && tick <= started, "{own} {tick} {started}");
    }

    #[test]
    fn time_since_another_boot_is_unknown() {
        let at = |boot: &str, millis| BootTime { boot_id: boot.to_owned(), millis };
        assert_eq!(at("a", 9).since(&at("a", 4)), Some(Duration::from_millis(5)));
        assert_eq!(at("b", 9).since(&at("a", 4)), None);
    }
}
