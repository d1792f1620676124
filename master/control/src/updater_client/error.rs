//! What can go wrong on the way to a host and back.

use std::io;
use std::time::Duration;

use engine::{MasterCode, ResultCode};
use pki::HandshakeError;

/// Why there is no answer of the updater's.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The host cannot be told from others.
    #[error("know this host from others")]
    Unpinned(#[from] pki::TlsError),
    /// There is no such host any more.
    #[error("find this host in the fleet: it is {0}")]
    NotInFleet(String),
    #[error("connect to {address}{}", what_to_look_at(.source))]
    Connect { address: String, source: io::Error },
    /// The host did not answer in time.
    #[error("{what} within {} ms", .limit.as_millis())]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        limit: Duration,
    },
    /// One side did not trust the other.
    #[error("talk to {address} as this host's updater")]
    Handshake { address: String, source: Box<HandshakeError> },
    #[error("keep the connection to {address}")]
    Broken { address: String, source: hyper::Error },
    /// What came is no answer of an updater's.
    #[error("understand the answer: {0}")]
    Malformed(String),
    /// The updater is newer than this program.
    #[error("understand the answer: its format is {found}, this swarm knows {known}")]
    Newer { found: u64, known: u32 },
    /// The updater refused to answer.
    #[error("get an answer: {detail}")]
    Refused {
        /// The updater's code, if there was one.
        code: Option<ResultCode>,
        detail: String,
    },
    /// The archive on our own side could not be read.
    #[error("read the archive")]
    Archive(#[source] io::Error),
    /// The host says that it knows nothing of the order.
    #[error("have the order taken: {0}")]
    NotTaken(String),
    /// The host was lost while the order may have been under way.
    #[error("learn what became of the order")]
    Lost(#[source] Box<Self>),
}

/// What an operator looks at, where the kernel's word for it says which.
fn what_to_look_at(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::ConnectionRefused => {
            " (nothing listens there: is the updater running? systemctl status updater)"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            " (there is no way to it from here)"
        }
        _ => "",
    }
}

impl ClientError {
    /// Why a host's row is what it is: the updater's own code, where it gave one.
    pub fn code(&self) -> ResultCode {
        match self {
            Self::Refused { code: Some(code), .. } => code.clone(),
            other => other.kind().into(),
        }
    }

    /// What went wrong, as the master sees it.
    pub const fn kind(&self) -> MasterCode {
        match self {
            Self::Unpinned(_) => MasterCode::NotPinned,
            Self::NotInFleet(_) => MasterCode::NotInFleet,
            Self::Connect { .. } => MasterCode::ConnectFailed,
            Self::TimedOut { .. } => MasterCode::TimedOut,
            Self::Handshake { .. } => MasterCode::NotTrusted,
            Self::Broken { .. } => MasterCode::ConnectionBroken,
            Self::Malformed(_) | Self::Newer { .. } => MasterCode::BadAnswer,
            Self::Refused { .. } => MasterCode::Refused,
            Self::Archive(_) => MasterCode::ArchiveUnreadable,
            Self::NotTaken(_) => MasterCode::NotTaken,
            Self::Lost(_) => MasterCode::Lost,
        }
    }

    /// Whether the host was asked at all, and answered.
    pub const fn was_reached(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Archive(_) | Self::NotTaken(_))
    }

    /// The error and its causes on one line, as it stands in a host's row.
    pub fn one_line(&self) -> String {
        common::failed_to(self)
    }

    /// What a connection failed with: a refusal of our certificate arrives with the first read.
    pub(super) fn of_connection(address: &str, error: hyper::Error) -> Self {
        let address = address.to_owned();
        // Ours to blame: the body of the request could not be read.
        if error.is_user() {
            return Self::Archive(io::Error::other(error));
        }
        match HandshakeError::find(&error) {
            Some(source) => Self::Handshake { address, source: Box::new(source) },
            None => Self::Broken { address, source: error },
        }
    }
}
