//! Who asks. The handshake has checked the certificate; each route says which roles it is for.

use axum::extract::FromRequestParts;
use http::request::Parts;
use pki::{Peer, Role};
use protocol::{Code, HostName, Problem};

use crate::api::ApiError;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// The number of the connection: a confirmation has to come on another one than its order.
    pub connection: u64,
}

/// Who the other end is.
#[derive(Debug, Clone)]
pub enum Who {
    /// Somebody with a certificate.
    Peer(Peer),
    /// Root on this host, over the local socket.
    Local,
}

impl Caller {
    /// The name in the history.
    pub fn name(&self) -> &'static str {
        match &self.who {
            Who::Peer(_) => "master",
            Who::Local => "local",
        }
    }

    /// Orders, and what only the one who orders may read.
    pub fn require_master(&self) -> Result<(), ApiError> {
        match &self.who {
            Who::Local => Ok(()),
            Who::Peer(peer) if peer.role == Role::Master => Ok(()),
            Who::Peer(peer) => Err(forbidden(peer, "only a master may do this")),
        }
    }

    /// Numbers.
    pub fn require_monitor(&self) -> Result<(), ApiError> {
        match &self.who {
            Who::Peer(peer) if matches!(peer.role, Role::Monitor(_)) => Ok(()),
            _ => self.require_master(),
        }
    }

    /// Health, which this host's own agent may read too.
    pub fn require_reader(&self, host: &HostName) -> Result<(), ApiError> {
        match &self.who {
            Who::Peer(Peer { role: Role::Agent(agent), .. }) if agent == host => Ok(()),
            _ => self.require_monitor(),
        }
    }
}

fn forbidden(peer: &Peer, rule: &str) -> ApiError {
    let detail = format!("this certificate is for {}; {rule}", peer.role);
    Problem::new(Code::RoleForbidden, detail).into()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::new(Code::RoleForbidden, "this connection has no certificate").into()
        })
    }
}
