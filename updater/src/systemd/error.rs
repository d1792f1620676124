//! What can go wrong between the updater and systemd.

use std::io;

use protocol::Period;

/// Why systemd did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// The bus cannot be connected to, or systemd is not on it.
    #[error("reach systemd over D-Bus")]
    Bus(#[source] zbus::Error),
    #[error("{act} {unit}")]
    Refused {
        act: &'static str,
        /// Of which unit, or of systemd itself.
        unit: String,
        source: zbus::Error,
    },
    /// It has not done it in time.
    #[error("{act} {unit} within {deadline}")]
    Late { act: &'static str, unit: String, deadline: Period },
    /// What was stopped was started again by something else, each time.
    #[error("stop {unit}: something starts it again whenever it is stopped")]
    StartedAgain { unit: String },
    /// The thread that speaks to it is gone.
    #[error("speak to systemd")]
    Thread(#[source] io::Error),
}

/// Names under which systemd says that it knows no such unit.
const UNKNOWN: [&str; 2] =
    ["org.freedesktop.systemd1.NoSuchUnit", "org.freedesktop.DBus.Error.UnknownObject"];

/// Names under which the bus says that systemd is not there, or was and left without an answer.
const LEFT: [&str; 3] = [
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.ServiceUnknown",
];

impl SystemdError {
    /// Whether the same question may well be answered in a moment, over a new connection.
    pub fn will_pass(&self) -> bool {
        self.has_left() || self.is_broken()
    }

    /// Whether systemd has left the bus: it will come back.
    fn has_left(&self) -> bool {
        use zbus::fdo::Error::{NameHasNoOwner, NoReply, ServiceUnknown};
        let (Self::Bus(source) | Self::Refused { source, .. }) = self else { return false };
        match source {
            zbus::Error::MethodError(name, ..) => LEFT.contains(&name.as_str()),
            zbus::Error::FDO(error) => {
                matches!(**error, NoReply(_) | NameHasNoOwner(_) | ServiceUnknown(_))
            }
            _ => false,
        }
    }

    /// Whether the connection broke: what was asked may have been done, or not.
    fn is_broken(&self) -> bool {
        let (Self::Bus(source) | Self::Refused { source, .. }) = self else { return false };
        // One that is only slow is told by the same kind of error.
        matches!(source, zbus::Error::InputOutput(why) if why.kind() != io::ErrorKind::TimedOut)
    }

    pub fn broken() -> Self {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        Self::Bus(zbus::Error::InputOutput(gone.into()))
    }

    /// Whether the unit is not there (any more).
    pub fn is_unknown_unit(&self) -> bool {
        let (Self::Bus(source) | Self::Refused { source, .. }) = self else { return false };
        match source {
            zbus::Error::MethodError(name, ..) => UNKNOWN.contains(&name.as_str()),
            zbus::Error::FDO(error) => matches!(**error, zbus::fdo::Error::UnknownObject(_)),
            _ => false,
        }
    }
}
