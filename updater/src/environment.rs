//! The variables of this process's environment that mean something to the updater. Nothing else reads the
//! environment: what is read here is passed in.
//!
//! Two libraries read variables of systemd's own themselves, `LISTEN_*` and `NOTIFY_SOCKET`, when they are
//! called (`sd_listen_fds(3)`, `sd_notify(3)`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use common::TerminalEnvironment;

use crate::sys::CRASH_AT;

/// Tells an updater which descriptor its socket is.
pub const LISTEN_FD: &str = "UPDATER_LISTEN_FD";
/// Tells an updater which descriptor leads to the process that started it.
pub const CHANNEL_FD: &str = "UPDATER_CHANNEL_FD";
/// Says that an older updater is still in charge.
pub const CANDIDATE: &str = "UPDATER_CANDIDATE";
/// Tells `updater check` where the updater that runs listens.
pub const LISTENING: &str = "UPDATER_LISTENING";
/// What is logged, in the syntax of `tracing-subscriber`.
const LOG_FILTER: &str = "UPDATER_LOG";
/// Whether standard error goes to the journal (systemd.exec(5)).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";
/// Where a unit of `Type=notify` tells systemd of itself (`sd_notify(3)`).
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Where the bus listens (the D-Bus specification).
const BUS_ADDRESS: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// The user that has typed a command by way of sudo(8).
const SUDO_UID: &str = "SUDO_UID";
/// That user's name.
const SUDO_USER: &str = "SUDO_USER";

/// What is for one process and none that it starts: sockets and watchdog by `sd_listen_fds(3)` and
/// `sd_watchdog_enabled(3)`, and what this program itself says so.
const NOT_PASSED_ON: [&str; 6] =
    [CRASH_AT, CANDIDATE, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"];

/// The environment as it was when the process was started.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Of this process.
    pub fn read() -> Self {
        Self::of(std::env::vars_os())
    }

    /// Nothing that an updater reads is not UTF-8, and what else an administrator has set so must not keep
    /// one from starting.
    fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(variables.filter_map(text).collect())
    }

    /// What decides how a terminal is written to.
    pub fn terminal(&self) -> TerminalEnvironment {
        TerminalEnvironment::of(|name| self.text(name).map(OsString::from))
    }

    /// What is logged, if not the usual.
    pub fn log_filter(&self) -> Option<&str> {
        self.text(LOG_FILTER)
    }

    /// The device and the inode of the journal, if standard error was meant to go there.
    pub fn journal_stream(&self) -> Option<&str> {
        self.text(JOURNAL_STREAM)
    }

    /// Where D-Bus listens, if not at the usual place.
    pub fn bus_address(&self) -> Option<String> {
        self.text(BUS_ADDRESS).map(str::to_owned)
    }

    /// Whether this process was started by systemd as the main process of a unit of `Type=notify`, or is
    /// about to become it.
    pub fn is_unit(&self) -> bool {
        self.text(NOTIFY_SOCKET).is_some()
    }

    /// Whether another updater, or the parent, has started this one.
    pub fn has_starter(&self) -> bool {
        self.text(LISTEN_FD).is_some()
    }

    /// The number of a descriptor that was passed on: [`LISTEN_FD`] or [`CHANNEL_FD`].
    pub fn descriptor(&self, name: &str) -> Option<RawFd> {
        self.text(name)?.parse().ok()
    }

    /// Whether an older updater is still in charge.
    pub fn is_candidate(&self) -> bool {
        self.text(CANDIDATE).is_some()
    }

    /// Where the updater listens that has started this process to check it.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.text(LISTENING)?.parse().ok()
    }

    /// The checkpoints at which updaters are to die; for tests.
    pub fn crash_at(&self) -> Option<&str> {
        self.text(CRASH_AT)
    }

    /// The number of the user that has typed this command by way of sudo.
    pub fn sudo_user(&self) -> Option<u32> {
        self.text(SUDO_UID)?.parse().ok()
    }

    /// The name of the user that has typed this command by way of sudo.
    pub fn sudo_name(&self) -> Option<&str> {
        self.text(SUDO_USER)
    }

    /// What a successor inherits: all but what is for this process alone.
    pub fn for_successor(&self) -> BTreeMap<String, String> {
        let inherited = |(name, _): &(&String, &String)| !NOT_PASSED_ON.contains(&name.as_str());
        self.0.iter().filter(inherited).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn a_variable_that_is_no_text_keeps_no_updater_from_starting() {
        let odd = OsString::from_vec(vec![0xff]);
        let variables = [
            ("LANG".into(), "C".into()),
            ("ODD".into(), odd.clone()),
            (odd, "x".into()),
            (CANDIDATE.into(), "1".into()),
        ];
        let passed = Environment::of(variables.into_iter()).for_successor();
        assert_eq!(passed, BTreeMap::from([("LANG".to_owned(), "C".to_owned())]));
    }

    #[test]
    fn what_is_no_number_and_no_address_is_not_there() {
        let read = environment(&[(LISTEN_FD, "x"), (LISTENING, "here"), (SUDO_UID, "-")]);
        assert!(read.has_starter());
        assert_eq!(read.descriptor(LISTEN_FD), None);
        assert_eq!((read.listening(), read.sudo_user()), (None, None));
        let read = environment(&[(LISTEN_FD, "4"), (LISTENING, "127.0.0.1:1"), (SUDO_UID, "7")]);
        assert_eq!(read.descriptor(LISTEN_FD), Some(4));
        assert_eq!(read.sudo_user(), Some(7));
        assert!(read.listening().is_some());
    }
}
