//! Roles, as the certificates say them: `spiffe://<fleet>/updater/<host>`.
//!
//! Parsing is strict: a text is a role only if writing that role gives the same text again. No
//! escapes, no upper case, no port, no query.

use std::fmt;
use std::str::FromStr;

use protocol::{HostName, NameError};

/// What every role's URI begins with.
const SCHEME: &str = "spiffe://";

/// What a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    /// Orders updates.
    Master,
    /// Answers for its host.
    Updater(HostName),
    /// The program that is kept up to date on its host.
    Agent(HostName),
    /// Reads health and metrics.
    Monitor(MonitorName),
}

impl Role {
    /// The host that an updater or an agent belongs to.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Updater(host) | Self::Agent(host) => Some(host),
            Self::Master | Self::Monitor(_) => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Master => formatter.write_str("master"),
            Self::Updater(host) => write!(formatter, "updater/{host}"),
            Self::Agent(host) => write!(formatter, "agent/{host}"),
            Self::Monitor(name) => write!(formatter, "monitor/{name}"),
        }
    }
}

/// A role in a fleet: the one URI in a certificate's subject alternative names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleUri {
    /// The fleet, which is the SPIFFE trust domain.
    pub fleet: Fleet,
    /// The role, which is the SPIFFE path.
    pub role: Role,
}

/// Why a URI is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleUriError {
    /// Not `spiffe://<fleet>/<role>`.
    #[error("read {0:?} as a role: expected spiffe://<fleet>/<role>")]
    Form(String),
    /// No role of that name, or a name where none belongs, or none where one does.
    #[error(
        "read {0:?} as a role: expected master, updater/<host>, agent/<host> or monitor/<name>"
    )]
    Role(String),
    /// The fleet or the monitor has no good name.
    #[error("read the role's URI")]
    Word(#[from] WordError),
    /// The host has no good name.
    #[error("read the role's URI")]
    Host(#[from] NameError),
}

impl FromStr for RoleUri {
    type Err = RoleUriError;

    fn from_str(text: &str) -> Result<Self, RoleUriError> {
        let rest = text.strip_prefix(SCHEME);
        let (fleet, path) = rest
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| RoleUriError::Form(shown(text)))?;
        let fleet = fleet.parse()?;
        let role = match path.split_once('/') {
            None if path == "master" => Role::Master,
            Some(("updater", host)) => Role::Updater(host.parse()?),
            Some(("agent", host)) => Role::Agent(host.parse()?),
            Some(("monitor", name)) => Role::Monitor(name.parse()?),
            _ => return Err(RoleUriError::Role(shown(path))),
        };
        Ok(Self { fleet, role })
    }
}

impl fmt::Display for RoleUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SCHEME}{}/{}", self.fleet, self.role)
    }
}

/// Why a text cannot name a fleet or a monitor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {0:?} as a name: it must have 1 to 63 characters of a-z, 0-9, '-', '_' and '.'")]
pub struct WordError(String);

macro_rules! word_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                check_word(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.pad(&self.0)
            }
        }
    };
}

word_type!(
    /// A fleet's name: the trust domain of its roles. It is for people; what keeps two fleets of
    /// the same name apart is that each has its own CA.
    Fleet
);

word_type!(
    /// The name of something that reads health and metrics.
    MonitorName
);

impl Default for Fleet {
    fn default() -> Self {
        Self("swarm".to_owned())
    }
}

impl Fleet {
    /// The URI that stands in the CA's own certificate: a trust domain without a path.
    pub(crate) fn uri(&self) -> String {
        format!("{SCHEME}{self}")
    }

    /// Reads what [`Self::uri`] wrote.
    pub(crate) fn from_uri(text: &str) -> Option<Self> {
        text.strip_prefix(SCHEME)?.parse().ok()
    }
}

/// The characters that SPIFFE allows in a trust domain.
fn check_word(text: &str) -> Result<(), WordError> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let dots_only = text.bytes().all(|byte| byte == b'.');
    if text.len() > 63 || dots_only || !text.bytes().all(allowed) {
        return Err(WordError(shown(text)));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_as_it_is_read() {
        for text in [
            "spiffe://swarm/master",
            "spiffe://swarm/updater/web-1",
            "spiffe://swarm/agent/db.eu.example.org",
            "spiffe://my-fleet.2/monitor/prometheus_1",
        ] {
            assert_eq!(text.parse::<RoleUri>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_nearly_a_role_is_none() {
        for text in [
            "",
            "master",
            "spiffe://swarm",
            "spiffe://swarm/",
            "spiffe:///master",
            "SPIFFE://swarm/master",
            "spiffe://Swarm/master",
            "spiffe://swarm:1/master",
            "spiffe://user@swarm/master",
            "spiffe://swarm/Master",
            "spiffe://swarm/master/",
            "spiffe://swarm/master/web-1",
            "spiffe://swarm/master?",
            "spiffe://swarm//master",
            "spiffe://swarm/%6daster",
            "spiffe://swarm/updater",
            "spiffe://swarm/updater/",
            "spiffe://swarm/updater/web-1/",
            "spiffe://swarm/updater/web-1/x",
            "spiffe://swarm/updater/Web-1",
            "spiffe://swarm/monitor/",
            "spiffe://swarm/monitor/..",
            "spiffe://swarm/root",
            " spiffe://swarm/master",
            "spiffe://swarm/master\n",
            "spiffe://swarm/master\0",
            "https://swarm/master",
        ] {
            assert!(text.parse::<RoleUri>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_updaters_and_agents_have_a_host() {
        let host: HostName = "web-1".parse().unwrap();
        assert_eq!(Role::Updater(host.clone()).host(), Some(&host));
        assert_eq!(Role::Agent(host.clone()).host(), Some(&host));
        assert_eq!(Role::Master.host(), None);
        assert_eq!(Role::Monitor("grafana".parse().unwrap()).host(), None);
    }

    #[test]
    fn a_fleet_is_found_again_in_its_own_uri() {
        let fleet = Fleet::default();
        assert_eq!(fleet.uri(), "spiffe://swarm");
        assert_eq!(Fleet::from_uri("spiffe://swarm"), Some(fleet));
        assert_eq!(Fleet::from_uri("spiffe://swarm/"), None);
        assert_eq!(Fleet::from_uri("swarm"), None);
    }
}
